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

    /** Given up after its last try, and kept among the application's failed jobs. */
    public const FAILED = 'failed';

    /** None of these: it comes again when its visibility timeout is over. */
    public const UNKNOWN = 'unknown';

    public function __construct(
        public readonly string $kind,
        public readonly int $delayS = 0,
        public readonly string $message = '',
    ) {
    }
}
