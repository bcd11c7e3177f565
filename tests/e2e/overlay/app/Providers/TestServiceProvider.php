<?php

namespace App\Providers;

use App\Queue\StoredFailures;
use App\Store\Store;
use Illuminate\Support\ServiceProvider;

class TestServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->app->extend('queue.failer', fn () => new StoredFailures($this->app->make(Store::class)));
    }
}
