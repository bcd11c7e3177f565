<?php

declare(strict_types=1);

namespace Hover\Queue;

use Hover\Aws\Client;
use Hover\Invocation;
use Hover\Json;
use Hover\Log;
use Hover\RuntimeError;

/**
 * The messages of one invocation; those that are not done are named in the answer
 * (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html), and Lambda deletes the others.
 */
final class Batch
{
    /** Kept back from the deadline: ending a job and sending the answer. */
    private const MARGIN_S = 1.0;

    /** SQS's limit of a visibility timeout: 12 hours. */
    private const MAX_DELAY_S = 43200;

    /** @param bool $hasDeadLetters a job that finally failed is left to SQS, which moves it there */
    public function __construct(
        private readonly Worker $worker,
        private readonly Client $aws,
        private readonly bool $hasDeadLetters,
        private readonly Log $log,
    ) {
    }

    /** @param array<mixed> $event */
    public function process(array $event, Invocation $invocation): string
    {
        $deadline = $invocation->deadline - self::MARGIN_S;
        $undone = [];
        $heldGroups = [];
        foreach ($event['Records'] as $record) {
            $group = self::group($record);
            // FIFO: nothing of a group overtakes a message of it that comes again.
            $isHeld = $group !== null && isset($heldGroups[$group]);
            if ($isHeld || microtime(true) >= $deadline || !$this->isDone($record, $deadline)) {
                $undone[] = ['itemIdentifier' => $record['messageId']];
                $heldGroups[$group ?? ''] = true;
            }
        }
        return Json::encode(['batchItemFailures' => $undone]);
    }

    /** @param array<mixed> $record */
    private function isDone(array $record, float $deadline): bool
    {
        $outcome = $this->worker->work($record, $deadline);
        $because = $outcome->message === '' ? '' : ": $outcome->message";
        if ($outcome->kind === Outcome::DELETED) {
            return true;
        }
        $this->log->warning("message {$record['messageId']} is $outcome->kind$because");
        if ($outcome->kind === Outcome::RELEASED) {
            $this->release($record, min($outcome->delayS, self::MAX_DELAY_S));
        }
        return $outcome->kind === Outcome::FAILED && !$this->hasDeadLetters;
    }

    /** @param array<mixed> $record */
    private function release(array $record, int $delayS): void
    {
        try {
            $this->aws->json('sqs', 'AmazonSQS.ChangeMessageVisibility', [
                'QueueUrl' => $this->url((string) $record['eventSourceARN']),
                'ReceiptHandle' => $record['receiptHandle'],
                'VisibilityTimeout' => $delayS,
            ]);
        } catch (RuntimeError $e) {
            $this->log->warning("the message comes again after its visibility timeout, not its backoff: {$e->getMessage()}");
        }
    }

    private function url(string $arn): string
    {
        [, , , , $account, $queue] = explode(':', $arn);
        return "{$this->aws->endpoint('sqs')}/$account/$queue";
    }

    /** @param array<mixed> $record */
    private static function group(array $record): ?string
    {
        return str_ends_with((string) $record['eventSourceARN'], '.fifo')
            ? (string) ($record['attributes']['MessageGroupId'] ?? '')
            : null;
    }
}
