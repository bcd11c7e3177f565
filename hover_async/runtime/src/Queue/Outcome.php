<?php

declare(strict_types=1);

namespace Hover\Queue;

/** What became of a message. */
final class Outcome
{
    /** Worked off; Lambda deletes it. */
    public const DELETED = 'deleted';

    /** Given back, to come again after a delay. */
    public const RELEASED = 'released';

    /** Given up for good, and known to the application's failed jobs. */
    public const FAILED = 'failed';

    /** Given up for good, but the application's failed jobs could not be told. */
    public const UNRECORDED = 'failed, but not recorded';

    /** None of these: it comes again when its visibility timeout is over. */
    public const UNKNOWN = 'unknown';

    public function __construct(
        public readonly string $kind,
        public readonly int $delayS = 0,
        public readonly string $message = '',
    ) {
    }

    /** Whether the job is not to run again. */
    public function isFinal(): bool
    {
        return in_array($this->kind, [self::DELETED, self::FAILED, self::UNRECORDED], true);
    }

    /** @param array<mixed> $report as `toArray` made it */
    public static function of(array $report): self
    {
        return new self((string) $report['kind'], (int) $report['delay'], (string) $report['message']);
    }

    /** @return array<string, string|int> */
    public function toArray(): array
    {
        return ['kind' => $this->kind, 'delay' => $this->delayS, 'message' => $this->message];
    }
}
