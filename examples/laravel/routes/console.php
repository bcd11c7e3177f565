<?php

use App\Jobs\Greet;
use App\Store\Store;
use Illuminate\Support\Facades\Artisan;

Artisan::command('example:prepare', function (Store $store) {
    $store->put('prepared', ['build' => config('example.build'), 'at' => now()->toIso8601String()]);
    $this->info('prepared for build ' . config('example.build'));
})->purpose('What a migration would be: leaves something that /migrated needs');

Artisan::command('example:fail {code=1}', function (string $code) {
    $this->line('about to fail');
    $this->error("failing with exit code $code, as asked");
    return (int) $code;
})->purpose('Fails with an exit code');

Artisan::command('example:greet {name} {--failures=0}', function (string $name) {
    Greet::dispatch($name, (int) $this->option('failures'));
    $this->info("queued a greeting for $name");
})->purpose('Queues a job');
