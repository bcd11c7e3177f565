<?php

declare(strict_types=1);

namespace Hover;

use Closure;

/** Cuts a stream of bytes into lines. */
final class Lines
{
    /** What is longer becomes several lines; CloudWatch takes 256 KB. */
    private const MAX_BYTES = 128 * 1024;

    private string $partial = '';

    /** @param Closure(string): void $take called with each line, without its end */
    public function __construct(private readonly Closure $take)
    {
    }

    public function add(string $bytes): void
    {
        $lines = explode("\n", $bytes);
        $lines[0] = $this->partial . $lines[0];
        $this->partial = (string) array_pop($lines);
        foreach ($lines as $line) {
            ($this->take)($line);
        }
        if (strlen($this->partial) >= self::MAX_BYTES) {
            $this->end();
        }
    }

    /** The stream has ended, or the line is too long: what is left is a line as well. */
    public function end(): void
    {
        if ($this->partial !== '') {
            ($this->take)($this->partial);
            $this->partial = '';
        }
    }
}
