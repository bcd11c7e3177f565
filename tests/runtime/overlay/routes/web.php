<?php

use Illuminate\Http\Request;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Route;

/* Pages by which the tests of the runtime see what reaches an application, and make it answer as they like. */

Route::get('/', fn () => response('home', 200, ['Content-Type' => 'text/plain; charset=UTF-8']));

// ?answer=<base64 of {"status", "headers": [[name, value], ...], "body": base64}>
Route::any('/answer', function (Request $request) {
    $answer = json_decode(base64_decode($request->query('answer')), true);
    http_response_code($answer['status'] ?? 200);
    foreach ($answer['headers'] ?? [] as [$name, $value]) {
        header("$name: $value", false);
    }
    echo base64_decode($answer['body'] ?? '');
    exit;
});

Route::get('/env/{name}', fn (string $name) => response()->json([
    'getenv' => getenv($name), 'server' => $_SERVER[$name] ?? null, 'env' => env($name),
]));

Route::get('/sleep/{seconds}', function (string $seconds) {
    usleep((int) ($seconds * 1e6));
    return 'slept';
});

Route::get('/big/{bytes}', fn (int $bytes) => response(str_repeat('x', $bytes), 200, ['Content-Type' => 'text/plain; charset=UTF-8']));

Route::get('/binary/{bytes}', fn (int $bytes) => response(random_bytes($bytes), 200, ['Content-Type' => 'application/octet-stream']));

Route::get('/stream', fn () => response()->stream(function () {
    foreach (['one ', 'two ', 'three'] as $part) {
        echo $part;
        flush();
    }
}));

Route::get('/file', fn () => response()->download(base_path('artisan'), 'artisan.txt'));

Route::get('/throw/{message}', fn (string $message) => throw new RuntimeException($message));

Route::get('/fatal', function () {
    ini_set('memory_limit', '32M');
    return str_repeat('x', 1 << 30);
});

// Small values by the million: PHP keeps the pages that held them.
Route::get('/many-values/{count}', function (int $count) {
    $values = [];
    for ($i = 0; $i < $count; $i++) {
        $values[] = "value $i of those that take some memory each";
    }
    return (string) count($values);
});

Route::get('/killed', function () {
    posix_kill(getmypid(), 9);
    sleep(5);
});

Route::get('/warned', function () {
    trigger_error('a deprecated thing', E_USER_DEPRECATED);
    error_log('to the error log');
    Log::info('to the Laravel log');
    return 'warned';
});

Route::get('/errors/{megabytes}', function (int $megabytes) {
    for ($i = 0; $i < $megabytes * 100; $i++) {
        error_log(str_repeat('e', 10_000));
    }
    return 'complained';
});

Route::get('/flood', function () {
    $stderr = fopen('php://stderr', 'w');
    while (true) {
        fwrite($stderr, str_repeat("x\n", 4000));
    }
});

Route::get('/after', function () {
    app()->terminating(fn () => file_put_contents('/tmp/after', 'done'));
    return 'answered';
});

Route::get('/pid', fn () => response()->json(['pid' => getmypid(), 'ppid' => posix_getppid()]));

require __DIR__ . '/conformance.php';

/** Every file of a form, or of a list of them: what came of it. */
$files = fn (array $file): array => [
    'sha256' => is_array($file['tmp_name'])
        ? array_map(fn ($name) => $name ? hash_file('sha256', $name) : null, $file['tmp_name'])
        : ($file['tmp_name'] ? hash_file('sha256', $file['tmp_name']) : null),
    'name' => $file['name'], 'type' => $file['type'], 'error' => $file['error'], 'size' => $file['size'],
];

// Whatever else is asked for (but /only/...): what the application sees of it.
Route::any('{path}', fn (Request $request) => response()->json([
    'server' => $_SERVER,
    'get' => $_GET,
    'post' => $_POST,
    'cookies' => $_COOKIE,
    'files' => array_map($files, $_FILES),
    'body' => strlen($body = file_get_contents('php://input')) > 4 << 20 ? hash('sha256', $body) : base64_encode($body),
    'input' => $request->all(),
    'method' => $request->method(),
    'url' => $request->fullUrl(),
    'path' => $request->decodedPath(),
    'ip' => $request->ip(),
    'https' => $request->isSecure(),
    'json' => $request->wantsJson(),
], 200, [], JSON_INVALID_UTF8_SUBSTITUTE))->where('path', '(?!only/).*');
