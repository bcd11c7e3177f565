<?php

declare(strict_types=1);

use Hover\Queue\Outcome;
use Hover\Queue\SqsJob;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\WorkerOptions;

/*
 * Works off SQS messages with the application's own Laravel (8 to 12): one JSON line in (fd 3: a record),
 * one out (fd 4: what became of it). Started by Hover\Queue\Worker, which watches over it.
 */

require __DIR__ . '/autoload.php';
require __DIR__ . '/../vendor/autoload.php';

(static function (array $options): void {
    $orders = fopen('php://fd/3', 'r');
    $reports = fopen('php://fd/4', 'w');
    $report = static function (Outcome $outcome) use ($reports): void {
        $line = ['kind' => $outcome->kind, 'delay' => $outcome->delayS, 'message' => $outcome->message];
        fwrite($reports, json_encode($line, JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR) . "\n");
    };

    $app = require __DIR__ . '/../bootstrap/app.php';
    $app->make(Kernel::class)->bootstrap();
    $worker = $app->make('queue.worker');
    $handler = $app->make(ExceptionHandler::class);
    $workerOptions = new WorkerOptions(backoff: $options['backoff'], maxTries: $options['tries'], timeout: 0);

    // What `queue:work` does itself (Illuminate\Queue\Console\WorkCommand::logFailedJob).
    $app->make('events')->listen(JobFailed::class, static function (JobFailed $event) use ($app): void {
        $app->make('queue.failer')->log(
            $event->connectionName,
            $event->job->getQueue(),
            $event->job->getRawBody(),
            $event->exception,
        );
        if ($event->job instanceof SqsJob) {
            $event->job->failureIsKept = true;
        }
    });

    $report(new Outcome('ready'));
    while (is_string($line = fgets($orders))) {
        if (method_exists($app, 'forgetScopedInstances')) {
            $app->forgetScopedInstances();
        }
        $job = new SqsJob($app, json_decode($line, true, 512, JSON_THROW_ON_ERROR));
        $message = '';
        try {
            $worker->process('sqs', $job, $workerOptions);
        } catch (Throwable $e) {
            $message = $e->getMessage();
            $handler->report($e);
        }
        $report($job->outcome($message));
        $report(new Outcome('ready'));
    }
})(json_decode($argv[1], true, 512, JSON_THROW_ON_ERROR));
