<?php

/* Prints the SQS message bodies of jobs, made by the application's own Laravel: argv is a JSON list of
   {"what", "label", "tries"?, "timeout"?, "backoff"?, "maxExceptions"?}. */

require __DIR__ . '/vendor/autoload.php';

$app = require __DIR__ . '/bootstrap/app.php';
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();

$queue = new class extends Illuminate\Queue\SyncQueue {
    public function payload(object $job): string
    {
        return $this->createPayload($job, 'default');
    }
};
$queue->setContainer($app);

$bodies = [];
foreach (json_decode($argv[1], true) as $wish) {
    $job = new App\Jobs\Probe($wish['what'], $wish['label'] ?? '');
    foreach (['tries', 'timeout', 'backoff', 'maxExceptions'] as $name) {
        if (isset($wish[$name])) {
            $job->$name = $wish[$name];
        }
    }
    $bodies[] = $queue->payload($job);
}
echo json_encode($bodies);
