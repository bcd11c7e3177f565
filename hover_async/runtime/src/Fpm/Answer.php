<?php

declare(strict_types=1);

namespace Hover\Fpm;

/** What a script answered: its bytes (CGI header and body), of which not more than a limit was kept. */
final class Answer
{
    public string $output = '';
    public int $outputBytes = 0;

    public function isWhole(): bool
    {
        return strlen($this->output) === $this->outputBytes;
    }
}
