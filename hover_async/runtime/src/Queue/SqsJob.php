<?php

declare(strict_types=1);

namespace Hover\Queue;

use Illuminate\Container\Container;
use Illuminate\Contracts\Queue\Job as JobContract;
use Illuminate\Queue\Jobs\Job;

/** An SQS message that Lambda already received: deleting and releasing it is said in the answer. */
final class SqsJob extends Job implements JobContract
{
    /** The application's store of failed jobs has it. */
    public bool $failureIsKept = false;

    private int $delayS = 0;

    /** @param array<mixed> $record */
    public function __construct(Container $container, private readonly array $record)
    {
        $this->container = $container;
        $this->connectionName = 'sqs';
        $this->queue = basename(strtr((string) $record['eventSourceARN'], ':', '/'));
    }

    public function getJobId(): string
    {
        return (string) $this->record['messageId'];
    }

    public function getRawBody(): string
    {
        return (string) $this->record['body'];
    }

    public function attempts(): int
    {
        return (int) ($this->record['attributes']['ApproximateReceiveCount'] ?? 1);
    }

    /** @param int|\DateTimeInterface|\DateInterval $delay */
    public function release($delay = 0): void
    {
        parent::release($delay);
        $this->delayS = max(0, $this->secondsUntil($delay));
    }

    public function outcome(string $message): Outcome
    {
        return match (true) {
            $this->hasFailed() && $this->failureIsKept => new Outcome(Outcome::FAILED, 0, $message),
            $this->hasFailed() => new Outcome(Outcome::UNKNOWN, 0, $message),
            $this->isReleased() => new Outcome(Outcome::RELEASED, $this->delayS, $message),
            $this->isDeleted() => new Outcome(Outcome::DELETED),
            default => new Outcome(Outcome::UNKNOWN, 0, $message),
        };
    }
}
