<?php

declare(strict_types=1);

namespace Hover\Commands;

use Hover\Processes;

/** A process and what it prints, both of its streams as one. */
final class Process
{
    /** A background process that a command left behind may keep its output open; it is not waited for. */
    private const PAUSE_S = 0.1;

    /** @var resource */
    private readonly mixed $process;

    /** @var resource */
    private readonly mixed $output;

    private ?int $exitCode = null;

    /**
     * @param list<string> $command
     * @param array<string, string> $environment
     */
    public function __construct(array $command, string $directory, array $environment)
    {
        $streams = [['file', '/dev/null', 'r'], ['pipe', 'w'], ['redirect', 1]];
        $this->process = Processes::start($command, $streams, $pipes, $directory, $environment);
        $this->output = $pipes[1];
        stream_set_blocking($this->output, false);
    }

    /**
     * Takes what it prints, as it comes.
     *
     * @param callable(string): void $take
     * @return bool whether it ended before `$until` (Unix time)
     */
    public function follow(float $until, callable $take): bool
    {
        while (($left = $until - microtime(true)) > 0) {
            $read = [$this->output];
            $none = null;
            @stream_select($read, $none, $none, 0, (int) (min($left, self::PAUSE_S) * 1e6));
            $hasEnded = $this->hasEnded(); // asked first: then all that it printed is in the pipe
            $take(Processes::read($this->output));
            if ($hasEnded) {
                return true;
            }
            if (feof($this->output)) {
                usleep(1000);
            }
        }
        return false;
    }

    /** Asks it to end, and after the grace ends all that it started, and itself if it has not. */
    public function end(float $graceS, callable $take): void
    {
        $pid = proc_get_status($this->process)['pid'];
        $family = Processes::family($pid);
        Processes::terminate($pid);
        $this->follow(microtime(true) + $graceS, $take);
        Processes::kill(...$family);
    }

    /** Of a process that ended; one ended by a signal gets 128 and the signal's number, as in a shell. */
    public function exitCode(): int
    {
        return $this->exitCode ?? throw new \LogicException('the process still runs');
    }

    private function hasEnded(): bool
    {
        $status = proc_get_status($this->process);
        if (!$status['running']) {
            // PHP before 8.3 tells the code once only.
            $this->exitCode ??= $status['signaled'] ? 128 + $status['termsig'] : $status['exitcode'];
        }
        return !$status['running'];
    }

    public function __destruct()
    {
        fclose($this->output);
        proc_close($this->process);
    }
}
