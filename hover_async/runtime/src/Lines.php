<?php

declare(strict_types=1);

namespace Hover;

use Closure;

/** Cuts a stream of bytes into lines. */
final class Lines
{
    private string $partial = '';

    /** @param Closure(string): void $take called with each line, without its end */
    public function __construct(private readonly Closure $take)
    {
    }

    public function add(string $bytes): void
    {
        $lines = explode("\n", $this->partial . $bytes);
        $this->partial = (string) array_pop($lines);
        foreach ($lines as $line) {
            ($this->take)($line);
        }
    }

    /** The stream has ended: what is left is a line as well. */
    public function end(): void
    {
        if ($this->partial !== '') {
            ($this->take)($this->partial);
            $this->partial = '';
        }
    }
}
