<?php

declare(strict_types=1);

namespace Hover;

use FilesystemIterator;
use RecursiveDirectoryIterator;
use RecursiveIteratorIterator;

/** What the runtime knows about Laravel's files (8 to 13), except for the queue worker (Queue/worker.php). */
final class Laravel
{
    private const STORAGE = '/tmp/hover/storage';
    private const CACHE = '/tmp/hover/cache';

    /** Caches that the image may bring ready-made in bootstrap/cache, and the variables that move them. */
    private const IMAGE_CACHES = [
        'packages.php' => 'APP_PACKAGES_CACHE',
        'services.php' => 'APP_SERVICES_CACHE',
        'routes-v7.php' => 'APP_ROUTES_CACHE',
        'events.php' => 'APP_EVENTS_CACHE',
    ];

    public readonly string $root;

    /** @param string $runtime this directory, which lies in the application's */
    public function __construct(public readonly string $runtime)
    {
        $this->root = dirname($runtime);
    }

    /** @return array<string, string> used where neither the function nor the manifest says otherwise */
    public function defaults(Manifest $manifest): array
    {
        return [
            'LOG_CHANNEL' => 'stderr',
            'SQS_SUFFIX' => "-{$manifest->name()}", // an SQS queue is called <queue>-<application>
        ];
    }

    /**
     * Everything that Laravel writes goes to /tmp, the only place that is writable in Lambda.
     *
     * @return array<string, string>
     */
    public function paths(): array
    {
        $caches = array_map(
            static fn (string $file): string => self::CACHE . "/$file",
            array_flip(self::IMAGE_CACHES),
        );
        return $caches + [
            'LARAVEL_STORAGE_PATH' => self::STORAGE, // Laravel 11 and newer
            'VIEW_COMPILED_PATH' => self::STORAGE . '/framework/views',
            'APP_CONFIG_CACHE' => self::CACHE . '/config.php',
        ];
    }

    /**
     * Makes these places and puts there what the image brings.
     *
     * Never a cached configuration: it would freeze the variables of the machine that built the image.
     * Before Laravel 11 the storage directory could not be moved by a variable: there the image's
     * `storage` is a link to ours (our Dockerfile makes it so) and its content lies in `storage.image`.
     */
    public function makeDirectories(): void
    {
        $directories = ['app/public', 'framework/cache/data', 'framework/sessions', 'framework/views', 'logs'];
        foreach ($directories as $directory) {
            self::makeDirectory(self::STORAGE . "/$directory");
        }
        self::makeDirectory(self::CACHE);
        foreach (array_keys(self::IMAGE_CACHES) as $file) {
            if (is_file("$this->root/bootstrap/cache/$file")) {
                copy("$this->root/bootstrap/cache/$file", self::CACHE . "/$file");
            }
        }
        if (is_dir("$this->root/storage.image")) {
            self::copyMissing("$this->root/storage.image", self::STORAGE);
        }
        $changed = $this->templatesChangedAt();
        foreach (glob("$this->runtime/views/*.php") ?: [] as $view) { // compiled ahead by prime.php
            // What is not newer than its template Blade compiles once more, which it cannot into the image.
            if ((int) filemtime($view) > $changed) {
                @symlink($view, self::STORAGE . '/framework/views/' . basename($view));
            }
        }
    }

    /** @return int Unix time at which the newest of the application's templates was written; 0 where it has none */
    private function templatesChangedAt(): int
    {
        if (!is_dir("$this->root/resources/views")) {
            return 0;
        }
        $flags = FilesystemIterator::SKIP_DOTS | FilesystemIterator::CURRENT_AS_PATHNAME;
        $templates = new RecursiveIteratorIterator(new RecursiveDirectoryIterator("$this->root/resources/views", $flags));
        $changed = 0;
        foreach ($templates as $template) {
            $changed = max($changed, (int) @filemtime($template));
        }
        return $changed;
    }

    private static function copyMissing(string $from, string $to): void
    {
        foreach (scandir($from) ?: [] as $name) {
            if ($name === '.' || $name === '..' || $name === '.gitignore') {
                continue;
            }
            if (is_dir("$from/$name")) {
                self::makeDirectory("$to/$name");
                self::copyMissing("$from/$name", "$to/$name");
            } elseif (!file_exists("$to/$name")) {
                copy("$from/$name", "$to/$name");
            }
        }
    }

    private static function makeDirectory(string $path): void
    {
        if (!is_dir($path) && !@mkdir($path, 0700, true)) {
            throw new RuntimeError("cannot make $path; is /tmp writable?");
        }
    }
}
