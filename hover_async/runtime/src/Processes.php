<?php

declare(strict_types=1);

namespace Hover;

final class Processes
{
    /**
     * The command as it must be run for `$environment` to arrive as a whole: proc_open drops variables whose value
     * is empty. It stays one process.
     *
     * @param list<string> $command
     * @param array<string, string> $environment
     * @return list<string>
     */
    public static function withEmptyVariables(array $command, array $environment): array
    {
        $empty = array_keys($environment, '', true);
        return $empty === [] ? $command : ['env', ...array_map(static fn (string $name): string => "$name=", $empty), ...$command];
    }

    /** Ends a process and all that it started, children first being stopped so that none is started meanwhile. */
    public static function kill(int $pid): void
    {
        $pids = [];
        $found = [$pid];
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

    /** @return list<int> */
    private static function children(int $parent): array
    {
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
