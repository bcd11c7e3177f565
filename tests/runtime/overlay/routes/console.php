<?php

use Illuminate\Support\Facades\Artisan;

Artisan::command('probe:arguments {words?*}', function (array $words) {
    $this->output->write(json_encode($words, JSON_UNESCAPED_UNICODE));
})->purpose('Prints its arguments as JSON');

Artisan::command('probe:exit {code}', fn (string $code) => (int) $code);

Artisan::command('probe:both', function () {
    fwrite(STDOUT, "out 1\n");
    fwrite(STDERR, "err 1\n");
    fwrite(STDOUT, "out 2\n");
});

Artisan::command('probe:big {bytes}', function (string $bytes) {
    fwrite(STDOUT, 'FIRST' . str_repeat('x', (int) $bytes) . 'LAST');
});

Artisan::command('probe:sleep {seconds}', function (string $seconds) {
    fwrite(STDOUT, "sleeping\n");
    sleep((int) $seconds);
    fwrite(STDOUT, "awake\n");
});

// Neither it nor its child minds being asked to end.
Artisan::command('probe:stubborn', function () {
    pcntl_async_signals(true);
    pcntl_signal(SIGTERM, fn () => null);
    proc_open(['/bin/sh', '-c', 'trap "" TERM; sleep 61; sleep 61'], [], $pipes);
    while (true) {
        sleep(1);
    }
});

Artisan::command('probe:daemon', function () {
    proc_open(['/bin/sh', '-c', 'sleep 5'], [], $pipes);
    fwrite(STDOUT, "left a child behind\n");
    exit(0);
});

// Left behind, it keeps printing.
Artisan::command('probe:chatty', function () {
    proc_open(['/bin/sh', '-c', 'for i in $(seq 400); do echo chat; sleep 0.02; done'], [], $pipes);
    usleep(300_000);
    exit(7);
});

// Minds being asked to end; its child is not asked.
Artisan::command('probe:parent', function () {
    proc_open(['/bin/sh', '-c', 'sleep 63'], [], $pipes);
    sleep(30);
});

Artisan::command('probe:killed', fn () => posix_kill(getmypid(), 9));

Artisan::command('probe:env {name}', function (string $name) {
    fwrite(STDOUT, json_encode(getenv($name)));
});

Artisan::command('probe:bytes', fn () => fwrite(STDOUT, "\xff\xfe\x00\x01"));
