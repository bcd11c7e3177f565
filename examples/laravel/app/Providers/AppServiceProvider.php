<?php

namespace App\Providers;

use App\Aws\Request;
use App\Queue\SqsConnector;
use App\Store\S3Store;
use App\Store\Store;
use Illuminate\Support\ServiceProvider;

class AppServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->app->singleton(Store::class, fn () => new S3Store(new Request('s3'), config('example.bucket')));
    }

    public function boot(): void
    {
        // Laravel's own connector needs aws/aws-sdk-php, which Debian does not package.
        $this->app['queue']->extend('sqs', fn () => new SqsConnector(new Request('sqs')));
    }
}
