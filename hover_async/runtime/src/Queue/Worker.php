<?php

declare(strict_types=1);

namespace Hover\Queue;

use Hover\Json;
use Hover\Lines;
use Hover\Log;
use Hover\Processes;
use Hover\RuntimeError;

/**
 * Laravel, booted once in a process of its own (worker.php), which works off one message at a time. Whatever
 * a job does there - exit, a fatal error, never ending - the runtime loop survives.
 */
final class Worker
{
    private const BOOT_TIMEOUT_S = 60.0;

    /** @var resource|null */
    private mixed $process = null;

    /** @var array<int, resource> 1: what it prints, 3: orders to it, 4: its reports */
    private array $pipes = [];

    private readonly Lines $output;
    private string $lastLine = '';
    private string $report = '';

    /**
     * @param array<string, string> $environment
     * @param array<string, mixed> $options the queue in the manifest
     */
    public function __construct(
        private readonly string $runtime,
        private readonly array $environment,
        private readonly array $options,
        private readonly Log $log,
    ) {
        $this->output = new Lines(function (string $line): void {
            $this->lastLine = $line === '' ? $this->lastLine : $line;
            $this->log->output($line);
        });
        $this->start();
    }

    /** @param array<mixed> $record of SQS */
    public function work(array $record, float $deadline): Outcome
    {
        if ($this->process === null) {
            $this->start();
        }
        if ($this->report(microtime(true) + self::BOOT_TIMEOUT_S) === null) {
            $this->kill();
            throw new RuntimeError("the queue worker does not boot: $this->lastLine");
        }
        @fwrite($this->pipes[3], Json::encode($record) . "\n");
        $timeout = json_decode($record['body'] ?? '', true)['timeout'] ?? null;
        $until = is_numeric($timeout) ? min($deadline, microtime(true) + (float) $timeout) : $deadline;
        $report = $this->report($until);
        if ($report === null) {
            $late = microtime(true) >= $until;
            $this->kill();
            return new Outcome(Outcome::UNKNOWN, 0, $late ? 'the job took too long' : "the worker died: $this->lastLine");
        }
        return new Outcome($report['kind'], $report['delay'], $report['message']);
    }

    private function start(): void
    {
        $null = ['file', '/dev/null', 'r'];
        $this->process = proc_open(
            Processes::withEmptyVariables([PHP_BINARY, "$this->runtime/worker.php", Json::encode([
                'tries' => (int) ($this->options['tries'] ?? 1),
                'backoff' => str_replace(' ', '', implode(',', (array) ($this->options['backoff'] ?? 0))),
            ])], $this->environment),
            [0 => $null, 1 => ['pipe', 'w'], 2 => ['redirect', 1], 3 => ['pipe', 'r'], 4 => ['pipe', 'w']],
            $this->pipes,
            dirname($this->runtime),
            $this->environment,
        ) ?: throw new RuntimeError('cannot run ' . PHP_BINARY);
        stream_set_blocking($this->pipes[1], false);
        stream_set_blocking($this->pipes[4], false);
        $this->report = '';
    }

    /**
     * The next report: that it is ready, and then one for each message.
     *
     * @return array<mixed>|null null when there was none in time, or the worker is gone
     */
    private function report(float $until): ?array
    {
        while (!str_contains($this->report, "\n")) {
            $left = $until - microtime(true);
            if ($left <= 0 || feof($this->pipes[4])) {
                $this->forward();
                return null;
            }
            $read = [$this->pipes[1], $this->pipes[4]];
            $none = null;
            @stream_select($read, $none, $none, (int) $left, (int) (fmod($left, 1) * 1e6));
            $this->forward();
            $this->report .= (string) fread($this->pipes[4], 65536);
        }
        $this->forward();
        [$line, $this->report] = explode("\n", $this->report, 2);
        return Json::decode($line);
    }

    private function forward(): void
    {
        while (is_string($bytes = fread($this->pipes[1], 65536)) && $bytes !== '') {
            $this->output->add($bytes);
        }
    }

    private function kill(): void
    {
        Processes::kill(proc_get_status($this->process)['pid']);
        $this->forward();
        $this->output->end();
        array_map(fclose(...), $this->pipes);
        proc_close($this->process);
        $this->process = null;
    }
}
