<?php

declare(strict_types=1);

namespace Hover;

/** One event, with the moment (Unix time, seconds) at which Lambda gives up on it. */
final class Invocation
{
    public function __construct(
        public readonly string $requestId,
        public readonly float $deadline,
        public readonly string $payload,
        public readonly float $receivedAt,
    ) {
    }

    public function secondsLeft(): float
    {
        return $this->deadline - microtime(true);
    }
}
