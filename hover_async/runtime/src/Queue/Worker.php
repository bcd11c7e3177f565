<?php

declare(strict_types=1);

namespace Hover\Queue;

use Hover\Json;
use Hover\Lines;
use Hover\Log;
use Hover\Php;
use Hover\Processes;
use Hover\RuntimeError;

/**
 * Laravel, booted once in a process of its own (worker.php), which works off one message at a time. Whatever
 * a job does there - exit, a fatal error, never ending - the runtime loop survives.
 */
final class Worker
{
    /** What worker.php reports besides outcomes: it takes a message, or leaves its place to a new process. */
    public const READY = 'ready';
    public const WORN = 'worn';

    private const BOOT_TIMEOUT_S = 60.0;

    /** The manifest's default (hover_async/manifest/model.py, QueueSpec), as Laravel's. */
    private const TIMEOUT_S = 60;
    private const PAUSE_S = 0.2;

    /** @var resource|null */
    private mixed $process = null;

    /** @var array<int, resource> 1: what it prints, 3: orders to it, 4: its reports */
    private array $pipes = [];

    private readonly Lines $output;
    private string $lastLine = '';
    private string $reports = '';
    private bool $hasBooted = false;
    private bool $isReady = false;

    /**
     * @param array<string, string> $environment
     * @param array<string, mixed> $options the queue in the manifest
     */
    public function __construct(
        private readonly Php $php,
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

    /**
     * @param array<mixed> $record of SQS
     * @param float $deadline at least a second away
     * @throws RuntimeError when the worker cannot boot
     */
    public function work(array $record, float $deadline): Outcome
    {
        if (!$this->isReadyBy($deadline)) {
            return new Outcome(Outcome::UNKNOWN, 0, 'the worker still boots');
        }
        $this->isReady = false;
        // Laravel's own timeout comes first, and decides whether the job may be tried again; ours ends what does not listen.
        $seconds = max(1, (int) ($deadline - microtime(true)));
        @fwrite($this->pipes[3], Json::encode(['record' => $record, 'seconds' => $seconds]) . "\n");
        $report = $this->report($deadline);
        if ($report !== null) {
            return Outcome::of($report);
        }
        $because = $this->runs() ? 'it took too long' : "the worker died: $this->lastLine";
        $this->kill();
        return new Outcome(Outcome::UNKNOWN, 0, $because);
    }

    /** Between two events: a process that left its place, or died, is followed by a new one, which boots meanwhile. */
    public function renew(): void
    {
        if ($this->process !== null && !$this->isReady) {
            $report = $this->report(microtime(true) + self::PAUSE_S);
            $this->isReady = $report !== null && $report['kind'] === self::READY;
            if ($report === null && $this->runs()) {
                return;
            }
        }
        if (!$this->isReady) {
            $this->kill();
            $this->start();
        }
    }

    /** False when it still boots at the deadline; it is not ended then, but serves the next event. */
    private function isReadyBy(float $deadline): bool
    {
        while (!$this->isReady || !$this->runs()) {
            if ($this->process === null) {
                $this->start();
            }
            $report = $this->report(min($deadline, microtime(true) + self::BOOT_TIMEOUT_S));
            $this->isReady = $report !== null && $report['kind'] === self::READY;
            if ($report === null && $this->runs() && microtime(true) >= $deadline) {
                return false;
            }
            if (!$this->isReady) {
                $hadBooted = $this->hasBooted;
                $this->kill();
                if (!$hadBooted) {
                    throw new RuntimeError("the queue worker does not boot: $this->lastLine");
                }
            }
            $this->hasBooted = $this->isReady;
        }
        return true;
    }

    private function start(): void
    {
        $null = ['file', '/dev/null', 'r'];
        $this->process = Processes::start(
            [...$this->php->command(), "$this->runtime/worker.php", Json::encode([
                'tries' => (int) ($this->options['tries'] ?? 1),
                'backoff' => str_replace(' ', '', implode(',', (array) ($this->options['backoff'] ?? 0))),
                'timeout' => (int) ($this->options['timeout'] ?? self::TIMEOUT_S),
                'memory_mb' => intdiv($this->php->memoryMb, 2),
            ])],
            [0 => $null, 1 => ['pipe', 'w'], 2 => ['redirect', 1], 3 => ['pipe', 'r'], 4 => ['pipe', 'w']],
            $this->pipes,
            dirname($this->runtime),
            $this->environment,
        );
        stream_set_blocking($this->pipes[1], false);
        stream_set_blocking($this->pipes[4], false);
        $this->reports = '';
        $this->hasBooted = false;
    }

    private function runs(): bool
    {
        return $this->process !== null && proc_get_status($this->process)['running'];
    }

    /**
     * The next report.
     *
     * @return array<mixed>|null null when there was none in time or none that makes sense, or the worker is gone
     */
    private function report(float $until): ?array
    {
        while (!str_contains($this->reports, "\n")) {
            $left = min($until - microtime(true), self::PAUSE_S);
            $read = [$this->pipes[1], $this->pipes[4]];
            $none = null;
            // A child that a job left behind may hold the pipes open: that the worker runs is asked for, too.
            $came = $left > 0 && @stream_select($read, $none, $none, 0, (int) ($left * 1e6));
            $this->output->add(Processes::read($this->pipes[1]));
            $bytes = (string) fread($this->pipes[4], 65536);
            $this->reports .= $bytes;
            if ($bytes === '' && ($left <= 0 || feof($this->pipes[4]) || (!$came && !$this->runs()))) {
                return null;
            }
        }
        $this->output->add(Processes::read($this->pipes[1]));
        [$line, $this->reports] = explode("\n", $this->reports, 2);
        $report = json_decode($line, true);
        return is_array($report) ? $report : null;
    }

    private function kill(): void
    {
        if ($this->process === null) {
            return;
        }
        Processes::kill(proc_get_status($this->process)['pid']);
        $this->output->add(Processes::read($this->pipes[1]));
        $this->output->end();
        array_map(fclose(...), $this->pipes);
        proc_close($this->process);
        $this->process = null;
        $this->isReady = false;
    }
}
