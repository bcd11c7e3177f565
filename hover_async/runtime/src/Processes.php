<?php

declare(strict_types=1);

namespace Hover;

final class Processes
{
    private const PAGE_BYTES = 4096;

    /** More than a pipe holds, 64 KiB (pipe(7)), and PHP's own buffer besides. */
    private const PIPE_BYTES = 128 * 1024;

    /**
     * Starts a program with the whole of its environment: PHP's proc_open drops variables whose value is empty, so
     * those are set by `env`, which then becomes the program.
     *
     * @param list<string> $command
     * @param array<int, array<mixed>> $streams and `$pipes`: as proc_open takes and gives them
     * @param array<int, resource> $pipes
     * @param array<string, string> $environment
     * @return resource
     */
    public static function start(
        array $command,
        array $streams,
        ?array &$pipes,
        string $directory,
        array $environment,
    ): mixed {
        $empty = array_map(static fn (string $name): string => "$name=", array_keys($environment, '', true));
        $whole = $empty === [] ? $command : ['env', ...$empty, ...$command];
        return proc_open($whole, $streams, $pipes, $directory, $environment)
            ?: throw new RuntimeError("cannot run $command[0]");
    }

    /**
     * Reads what a pipe holds by now, and not what comes meanwhile: who writes without end may be quicker than we.
     *
     * @param resource $pipe that does not block
     */
    public static function read(mixed $pipe): string
    {
        $all = '';
        do {
            $bytes = (string) fread($pipe, self::PIPE_BYTES - strlen($all));
            $all .= $bytes;
        } while ($bytes !== '' && strlen($all) < self::PIPE_BYTES);
        return $all;
    }

    /** @return list<int> a process and all that it started */
    public static function family(int $pid): array
    {
        return [$pid, ...array_merge(...array_map(self::family(...), self::children($pid)))];
    }

    /** Ends processes and all that they started, children first being stopped so that none is started meanwhile. */
    public static function kill(int ...$found): void
    {
        $pids = [];
        while ($found !== []) {
            self::signal($found, 'STOP');
            $pids = [...$pids, ...$found];
            $found = array_merge(...array_map(self::children(...), $found));
        }
        self::signal($pids, 'KILL');
    }

    public static function terminate(int $pid): void
    {
        self::signal([$pid], 'TERM');
    }

    /** Asks php-fpm's worker to end when it is done with its request. */
    public static function quit(int $pid): void
    {
        self::signal([$pid], 'QUIT');
    }

    /** The child of a process that has one; null where it has none or several, as in the moment of a change. */
    public static function onlyChild(int $parent): ?int
    {
        $children = self::children($parent);
        return count($children) === 1 ? $children[0] : null;
    }

    /** Whether a process that was ours still is: its number may be another's by now. */
    public static function isCalled(int $pid, string $name): bool
    {
        return str_starts_with((string) @file_get_contents("/proc/$pid/comm"), $name);
    }

    /** What the process has for itself, shared memory (the OPcache) not counted; 0 when it is gone. */
    public static function privateMemoryMb(int $pid): int
    {
        // "size resident shared ...", in pages (proc(5))
        [, $resident, $shared] = explode(' ', (string) @file_get_contents("/proc/$pid/statm")) + [0, 0, 0];
        return intdiv(((int) $resident - (int) $shared) * self::PAGE_BYTES, 1 << 20);
    }

    /** @return list<int> */
    private static function children(int $parent): array
    {
        // A kernel may lack this file (CONFIG_PROC_CHILDREN).
        $listed = @file_get_contents("/proc/$parent/task/$parent/children");
        if (is_string($listed)) {
            return array_map(intval(...), array_filter(explode(' ', trim($listed))));
        }
        $children = [];
        foreach (glob('/proc/[0-9]*/stat') ?: [] as $file) {
            // "pid (name) state ppid ...": the name may hold anything, the last parenthesis ends it (proc(5)).
            $fields = explode(' ', (string) strrchr((string) @file_get_contents($file), ')'));
            if ((int) ($fields[2] ?? 0) === $parent) {
                $children[] = (int) basename(dirname($file));
            }
        }
        return $children;
    }

    /**
     * By the shell's own `kill`: ext-posix need not be there.
     *
     * @param list<int> $pids
     */
    private static function signal(array $pids, string $signal): void
    {
        $null = ['file', '/dev/null', 'r+'];
        $command = ['/bin/sh', '-c', 'for pid; do kill -' . $signal . ' "$pid"; done', 'kill', ...array_map(strval(...), $pids)];
        $process = proc_open($command, [$null, $null, $null], $pipes);
        if ($process !== false) {
            proc_close($process);
        }
    }
}
