<?php

declare(strict_types=1);

namespace Hover\Commands;

use Hover\Invocation;
use Hover\Json;
use Hover\Lines;
use Hover\Log;
use Hover\Php;
use Hover\RuntimeError;

/** Runs artisan in a process of its own, with an argument vector: no shell is involved. */
final class Artisan
{
    /** Kept back from the deadline: ending the process and sending the answer. */
    private const MARGIN_S = 1.0;
    private const GRACE_S = 0.3;

    /** As timeout(1) says it. */
    private const TIMED_OUT = 124;

    /** @param array<string, string> $environment */
    public function __construct(
        private readonly Php $php,
        private readonly string $root,
        private readonly array $environment,
        private readonly Log $log,
    ) {
    }

    /** @param array<mixed> $event */
    public function command(array $event, Invocation $invocation): string
    {
        $command = $event['command'];
        $words = is_array($command) ? array_map(strval(...), array_values($command)) : Words::of((string) $command);
        if ($words === []) {
            throw new RuntimeError('the command is empty');
        }
        return $this->run($words, $invocation);
    }

    /** @param array<mixed> $event */
    public function schedule(array $event, Invocation $invocation): string
    {
        return $this->run(['schedule:run'], $invocation);
    }

    /** @param list<string> $words */
    private function run(array $words, Invocation $invocation): string
    {
        $output = new Output();
        $lines = new Lines($this->log->output(...));
        $take = static function (string $bytes) use ($output, $lines): void {
            $output->add($bytes);
            $lines->add($bytes);
        };
        $process = new Process([...$this->php->command(), 'artisan', ...$words], $this->root, $this->environment);
        $ended = $process->follow($invocation->deadline - self::MARGIN_S, $take);
        if (!$ended) {
            $process->end(self::GRACE_S, $take);
            $output->add("\n[hover: ended a second before the function's timeout]\n");
            $this->log->error("artisan $words[0] was ended a second before the function's timeout");
        }
        $lines->end();
        return Json::encode([
            'exit_code' => $ended ? $process->exitCode() : self::TIMED_OUT,
            'output' => base64_encode($output->text()),
            'truncated' => $output->isTruncated(),
            'timed_out' => !$ended,
            'duration_ms' => (int) round((microtime(true) - $invocation->receivedAt) * 1000),
        ]);
    }
}
