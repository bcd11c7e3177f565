<?php

declare(strict_types=1);

namespace Hover\Prime;

use FilesystemIterator;
use Illuminate\Contracts\Console;
use Illuminate\Contracts\Http;
use RecursiveDirectoryIterator;
use RecursiveIteratorIterator;
use Throwable;

/*
 * Run when an image is built, in the application's directory: `php prime.php DIRECTORY` compiles ahead what a
 * new container will need.
 *
 * DIRECTORY/views    the application's Blade templates, as PHP
 * DIRECTORY/opcache  PHP scripts, as OPcache keeps them: the application's own, those that booting it loads,
 *                    and their neighbours in the same directories, which are what a request asks for next
 *
 * The application is booted, as `artisan package:discover` does, but answers no request: a build has neither
 * its environment nor its database. Whatever fails here costs time when a container starts, and no more; so it is
 * told, and fails no build. A container takes nothing whose source has another date since.
 */

const OWN_DIRECTORIES = ['app', 'bootstrap', 'config', 'database', 'lang', 'public', 'resources/lang', 'routes'];

/** Services that answering a request, a command or a job takes out of the container, whatever the application. */
const SERVICES = [
    'auth', 'cache', 'cookie', 'db', 'encrypter', 'events', 'filesystem', 'hash', 'log', 'queue', 'queue.worker', 'router',
    'session', 'translator', 'validator', 'view',
];

/**
 * Runs PHP in a process of its own: a script that is loaded cannot be compiled once more.
 *
 * @param list<string> $arguments
 * @return bool whether it succeeded
 */
function php(string $directory, array $arguments): bool
{
    $environment = getenv() + [
        'APP_KEY' => 'base64:' . base64_encode(random_bytes(32)),
        'LOG_CHANNEL' => 'stderr',
        'VIEW_COMPILED_PATH' => "$directory/views",
    ];
    $streams = [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']];
    $process = proc_open([PHP_BINARY, ...$arguments], $streams, $pipes, null, $environment);
    return $process !== false && proc_close($process) === 0;
}

/** Boots the application with both kernels, and writes down which files that has loaded, even where it fails. */
function boot(string $list): void
{
    register_shutdown_function(static function () use ($list): void {
        file_put_contents($list, implode("\n", array_diff(get_included_files(), [__FILE__])));
    });
    require getcwd() . '/vendor/autoload.php';
    $app = require getcwd() . '/bootstrap/app.php';
    $app->make(Http\Kernel::class)->bootstrap();
    $console = $app->make(Console\Kernel::class);
    $console->bootstrap();
    foreach (['every command' => $console->all(...), ...array_fill_keys(SERVICES, $app->make(...))] as $what => $load) {
        try {
            $load($what);
        } catch (Throwable) {
            // An application may lack it without its environment; what was loaded until then counts.
        }
    }
}

/** @return list<string> every PHP file below a directory */
function below(string $directory): array
{
    $files = [];
    if (is_dir($directory)) {
        $flags = FilesystemIterator::SKIP_DOTS;
        foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator($directory, $flags)) as $file) {
            if ($file->isFile() && $file->getExtension() === 'php') {
                $files[] = (string) $file->getRealPath();
            }
        }
    }
    return $files;
}

/**
 * What to compile, given what booting has loaded.
 *
 * @param list<string> $loaded
 * @return list<string>
 */
function scripts(string $directory, array $loaded): array
{
    $own = array_map(below(...), [...OWN_DIRECTORIES, "$directory/views"]);
    $neighbours = array_map(
        static fn (string $near): array => glob("$near/*.php") ?: [],
        array_unique(array_map(dirname(...), $loaded)),
    );
    return array_values(array_unique(array_merge($loaded, ...$own, ...$neighbours)));
}

/** Blade compiles once more what is not newer than its template, which in a container it cannot. */
function date_views(string $directory): void
{
    $templates = array_map(filemtime(...), below('resources/views'));
    foreach (below("$directory/views") as $view) {
        touch($view, max([time(), ...array_map(static fn (int|false $at): int => (int) $at + 1, $templates)]));
    }
}

/** @return list<string> the lines of a file that is made and read here once */
function lines(string $file): array
{
    $text = (string) @file_get_contents($file);
    @unlink($file);
    return $text === '' ? [] : explode("\n", $text);
}

function prime(string $directory): void
{
    foreach (["$directory/views", "$directory/opcache"] as $made) {
        is_dir($made) || mkdir($made, 0755, true);
    }
    if (is_file('artisan') && is_dir('resources/views')) {
        php($directory, ['artisan', 'view:cache'])
            || print "hover: 'artisan view:cache' failed: templates are compiled when they are first shown\n";
        date_views($directory);
    }
    $list = "$directory/scripts.txt";
    php($directory, [__FILE__, '--boot', $list])
        || print "hover: the application does not boot without its environment: less of it is compiled ahead\n";
    file_put_contents($list, implode("\n", scripts($directory, lines($list))));
    php($directory, [
        '-d', 'opcache.enable_cli=1',
        '-d', 'opcache.file_cache_only=1',
        '-d', 'opcache.file_update_protection=0', // else it waits until a file is two seconds old
        '-d', "opcache.file_cache=$directory/opcache",
        __FILE__, '--compile', $list,
    ]) || print "hover: this PHP has no OPcache: nothing is compiled ahead\n";
}

match ($argv[1]) {
    '--boot' => boot($argv[2]),
    '--compile' => array_map(static fn (string $script): bool => @opcache_compile_file($script), lines($argv[2])),
    default => prime((string) realpath($argv[1])),
};
