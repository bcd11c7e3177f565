<?php

declare(strict_types=1);

namespace Hover\Fpm;

use Hover\Lines;
use Hover\Log;
use Hover\Php;
use Hover\Processes;
use Hover\RuntimeError;

/** php-fpm with one worker, started when needed, ended when it must, and started again when it died. */
final class Server
{
    private const SOCKET = '/tmp/hover/fpm.sock';
    private const START_TIMEOUT_S = 10.0;
    private const DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/usr/bin', '/opt/bin', '/sbin'];
    private const RECENT_LINES = 50;

    /** @var resource|null */
    private mixed $process = null;

    /** @var resource|null FPM's and its worker's standard error */
    private mixed $stderr = null;

    /** For how long a request has waited until FPM took it, at most: once, after a start. */
    public float $longestWaitMs = 0.0;

    /** Its worker, as of the last event. */
    private ?int $worker = null;

    private readonly Lines $lines;

    /** @var list<string> what came out since the last request began */
    private array $recent = [];

    /** @param array<string, string> $environment */
    public function __construct(
        private readonly Php $php,
        private readonly string $configuration,
        private readonly array $environment,
        private readonly Log $log,
    ) {
        $this->lines = new Lines($this->takeLine(...));
    }

    /** Starts FPM unless it runs; does not wait until it listens. */
    public function start(): void
    {
        if ($this->process !== null && proc_get_status($this->process)['running']) {
            return;
        }
        if ($this->process !== null) {
            $this->log->warning('php-fpm is gone; starting it again');
            $this->kill();
        }
        @unlink(self::SOCKET);
        $command = [
            self::binary(),
            '--nodaemonize',
            '--allow-to-run-as-root',
            '--fpm-config', $this->configuration,
            ...$this->php->options(),
        ];
        $null = ['file', '/dev/null', 'r+'];
        $this->process = Processes::start($command, [$null, $null, ['pipe', 'w']], $pipes, '/', $this->environment);
        $this->stderr = $pipes[2];
        stream_set_blocking($this->stderr, false);
    }

    /**
     * One request, and nothing of it is left behind: at the deadline FPM is ended.
     *
     * @param array<string, string|int> $params
     * @throws Deadline
     * @throws Broken
     * @throws RuntimeError when FPM does not start
     */
    public function request(array $params, string $body, float $deadline, int $keepBytes): Answer
    {
        $this->start();
        $this->recent = [];
        $errors = new Lines(fn (string $line) => $this->takeLine((string) preg_replace('/^PHP message: /', '', $line)));
        $exchange = new Exchange($this->connect(), $keepBytes, $errors);
        try {
            return $exchange->run(Exchange::encode($params, $body), $deadline, $this->stderr, $this->forward(...));
        } catch (Deadline $e) {
            $this->kill();
            throw $e;
        } finally {
            $errors->end();
            $this->forward();
        }
    }

    /**
     * Log lines of the last request. A worker's lines reach us through FPM, so the last ones may come
     * a moment after the answer.
     *
     * @return list<string>
     */
    public function recentLines(float $waitS = 0.0): array
    {
        $until = microtime(true) + $waitS;
        while (($left = $until - microtime(true)) > 0) {
            $read = [$this->stderr];
            $none = null;
            if (@stream_select($read, $none, $none, 0, (int) ($left * 1e6)) && !$this->forward()) {
                break;
            }
        }
        return $this->recent;
    }

    /**
     * Between two events: FPM runs, and its worker makes way for a new one if it keeps too much memory after its request
     * (what PHP or an extension leaks or caches), before a request finds too little left. The OPcache is FPM's, and stays.
     */
    public function rest(): void
    {
        $this->forward();
        $this->start();
        $worker = Processes::onlyChild(proc_get_status($this->process)['pid']);
        if ($worker === null) {
            return;
        }
        $this->worker = $worker;
        $keptMb = Processes::privateMemoryMb($worker);
        if ($keptMb >= $this->php->memoryMb / 2) {
            $this->log->warning("php-fpm's worker keeps $keptMb MB after its request; a new one takes its place");
            Processes::quit($worker);
        }
    }

    /** Ends FPM and whatever its worker is doing, at once. */
    public function kill(): void
    {
        if ($this->process === null) {
            return;
        }
        // A master that was killed leaves its worker behind.
        $orphans = $this->worker !== null && Processes::isCalled($this->worker, 'php-fpm') ? [$this->worker] : [];
        Processes::kill(proc_get_status($this->process)['pid'], ...$orphans);
        $this->worker = null;
        $this->forward();
        $this->lines->end();
        fclose($this->stderr);
        proc_close($this->process);
        $this->process = null;
        $this->stderr = null;
    }

    /** @return resource */
    private function connect(): mixed
    {
        $since = microtime(true);
        $until = $since + self::START_TIMEOUT_S;
        while (true) {
            $socket = @stream_socket_client('unix://' . self::SOCKET, $code, $message, 1.0);
            if ($socket !== false) {
                $this->longestWaitMs = max($this->longestWaitMs, (microtime(true) - $since) * 1000);
                return $socket;
            }
            $running = proc_get_status($this->process)['running'];
            if (!$running || microtime(true) > $until) {
                $lines = $this->recentLines(0.2);
                $this->kill();
                throw new RuntimeError('php-fpm does not start: ' . (implode(' | ', $lines) ?: $message));
            }
            usleep(500);
        }
    }

    /** Hands complete lines to the log; false when nothing came. */
    private function forward(): bool
    {
        $bytes = $this->stderr === null ? '' : Processes::read($this->stderr);
        $this->lines->add($bytes);
        return $bytes !== '';
    }

    private function takeLine(string $line): void
    {
        if ($line !== '') {
            $this->log->output($line);
            $this->recent = array_slice([...$this->recent, $line], -self::RECENT_LINES);
        }
    }

    /** The FPM of the PHP that runs this: php-fpm8.2 (Debian), else php-fpm (Docker's official image). */
    private static function binary(): string
    {
        $version = PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;
        foreach (["php-fpm$version", 'php-fpm' . strtr($version, ['.' => '']), 'php-fpm'] as $name) {
            foreach (self::DIRECTORIES as $directory) {
                if (is_executable("$directory/$name")) {
                    return "$directory/$name";
                }
            }
        }
        throw new RuntimeError("this image has no php-fpm for PHP $version (looked in " . implode(', ', self::DIRECTORIES) . ')');
    }
}
