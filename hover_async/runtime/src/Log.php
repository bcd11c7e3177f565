<?php

declare(strict_types=1);

namespace Hover;

/** One JSON line per message on stderr, which Lambda hands to CloudWatch; carries no secret. */
final class Log
{
    public string $requestId = '';

    public function info(string $message): void
    {
        $this->write('info', $message);
    }

    public function warning(string $message): void
    {
        $this->write('warning', $message);
    }

    public function error(string $message): void
    {
        $this->write('error', $message);
    }

    /** What the application, FPM or a command wrote: each line as it is. */
    public function output(string $line): void
    {
        $this->write('output', $line);
    }

    private function write(string $level, string $message): void
    {
        $entry = ['level' => $level, 'requestId' => $this->requestId, 'message' => $message];
        fwrite(STDERR, Json::encode($entry) . "\n");
    }
}
