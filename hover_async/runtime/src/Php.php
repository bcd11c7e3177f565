<?php

declare(strict_types=1);

namespace Hover;

/**
 * The PHP that this container starts, for visitors or on the command line: how much of the function's memory it
 * may take, and where it finds scripts that were compiled when the image was built (prime.php), by PHP's file cache:
 * https://www.php.net/manual/en/opcache.configuration.php#ini.opcache.file-cache
 */
final class Php
{
    /** Of the function's memory, for this loop and what it needs to watch over another process. */
    private const OWN_MEMORY_MB = 96;
    private const LEAST_MEMORY_MB = 64;

    /** PHP wants a directory that it may write to; Lambda's file system is read-only, but for /tmp. */
    private const FILE_CACHE = '/tmp/hover/opcache';

    /** @param list<string> $fileCache options; none where the image brings nothing */
    private function __construct(public readonly int $memoryMb, private readonly array $fileCache)
    {
    }

    /** @param array<string, string> $function its variables */
    public static function of(array $function, string $runtime): self
    {
        $memoryMb = (int) ($function['AWS_LAMBDA_FUNCTION_MEMORY_SIZE'] ?? 1024) - self::OWN_MEMORY_MB;
        return new self(
            max(self::LEAST_MEMORY_MB, $memoryMb),
            self::linkFileCache("$runtime/opcache") ? ['-d', 'opcache.file_cache=' . self::FILE_CACHE] : [],
        );
    }

    /** @return list<string> for php-fpm, which keeps in shared memory what it has read */
    public function options(): array
    {
        return ['-d', "memory_limit={$this->memoryMb}M", ...$this->fileCache];
    }

    /** @return list<string> php on the command line: one process has nobody to share memory with */
    public function command(): array
    {
        $ownCache = ['-d', 'opcache.enable_cli=1', '-d', 'opcache.file_cache_only=1'];
        return [PHP_BINARY, ...$this->options(), ...$this->fileCache === [] ? [] : $ownCache];
    }

    /** Links what was compiled, a directory for each build of PHP, into the one that PHP takes. */
    private static function linkFileCache(string $compiled): bool
    {
        $builds = glob("$compiled/*", GLOB_ONLYDIR) ?: [];
        if ($builds !== [] && !is_dir(self::FILE_CACHE)) {
            mkdir(self::FILE_CACHE, 0700, true);
            foreach ($builds as $build) {
                symlink($build, self::FILE_CACHE . '/' . basename($build));
            }
        }
        return $builds !== [];
    }
}
