<?php

declare(strict_types=1);

namespace Hover\Queue;

use Closure;
use Illuminate\Container\Container;
use Illuminate\Contracts\Console\Kernel;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Queue\Job as JobContract;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Jobs\Job;
use Illuminate\Queue\Worker as LaravelWorker;
use Illuminate\Queue\WorkerOptions;
use Throwable;

/*
 * Works off SQS messages with the application's own Laravel (8 to 13), in a process of its own: one JSON line in (fd 3: a
 * record and the seconds that it may take), one out (fd 4: what became of it, then whether there may be another).
 * Started by Worker in src/Queue, which watches over it. No other file of the runtime touches Laravel's classes.
 */

require __DIR__ . '/autoload.php';
require dirname(__DIR__) . '/vendor/autoload.php';

/** An SQS message that Lambda already received: deleting and releasing it is said in the answer. */
final class SqsJob extends Job implements JobContract
{
    /** The application's store of failed jobs has been told. */
    public bool $failureIsKept = false;

    private int $delayS = 0;
    private bool $wasDeletedFirst = false;

    /** @param array<mixed> $record */
    public function __construct(Container $container, private readonly array $record)
    {
        $this->container = $container;
        $this->connectionName = 'sqs';
        $this->queue = basename(strtr((string) $record['eventSourceARN'], ':', '/'));
    }

    public function getJobId(): string
    {
        return (string) $this->record['messageId'];
    }

    public function getRawBody(): string
    {
        return (string) $this->record['body'];
    }

    public function attempts(): int
    {
        return (int) ($this->record['attributes']['ApproximateReceiveCount'] ?? 1);
    }

    /** Of a job that deleted itself before it failed Laravel keeps no failure (Illuminate\Queue\Jobs\Job::fail). */
    public function markAsFailed(): void
    {
        $this->wasDeletedFirst = $this->wasDeletedFirst || ($this->isDeleted() && !$this->hasFailed());
        parent::markAsFailed();
    }

    /** @param int|\DateTimeInterface|\DateInterval $delay */
    public function release($delay = 0): void
    {
        parent::release($delay);
        $this->delayS = max(0, $this->secondsUntil($delay));
    }

    public function outcome(string $message): Outcome
    {
        return match (true) {
            $this->wasDeletedFirst => new Outcome(Outcome::DELETED),
            $this->hasFailed() && $this->failureIsKept => new Outcome(Outcome::FAILED, 0, $message),
            $this->hasFailed() => new Outcome(Outcome::UNRECORDED, 0, $message),
            $this->isReleased() => new Outcome(Outcome::RELEASED, $this->delayS, $message),
            $this->isDeleted() => new Outcome(Outcome::DELETED),
            default => new Outcome(Outcome::UNKNOWN, 0, $message),
        };
    }
}

/** Laravel's worker, with what its daemon does around a job, for jobs that come from outside. */
final class JobWorker extends LaravelWorker
{
    private bool $connectionIsLost = false;
    private int $secondsLeft = 0;
    private WorkerOptions $options;
    private SqsJob $job;

    /** @var Closure(Outcome): void */
    private Closure $report;

    /** @param Closure(Outcome): void $report called once, even where the job's timeout then ends this process */
    public function run(SqsJob $job, int $secondsLeft, WorkerOptions $options, Closure $report): void
    {
        $this->secondsLeft = $secondsLeft;
        $this->options = $options;
        $this->report = $report;
        $this->job = $job;
        if (isset($this->resetScope)) {
            ($this->resetScope)();
        }
        if ($this->supportsAsyncSignals()) {
            pcntl_async_signals(true);
            $this->registerTimeoutHandler($job, $options);
        }
        $message = '';
        try {
            $this->process('sqs', $job, $options);
        } catch (Throwable $e) {
            $message = $e->getMessage();
            $this->exceptions->report($e);
            $this->stopWorkerIfLostConnection($e);
        }
        if ($this->supportsAsyncSignals()) {
            $this->resetTimeoutHandler();
        }
        $report($job->outcome($message));
    }

    /** Whether a new process must take the next job. */
    public function isWorn(WorkerOptions $options): bool
    {
        return $this->connectionIsLost || $this->memoryExceeded($options->memory);
    }

    /** Called by the timeout's signal, when Laravel has decided whether the job may be tried again. */
    public function kill($status = 0, ...$more): void
    {
        $job = $this->job;
        if (!$job->isDeleted() && !$job->isReleased() && !$job->hasFailed()) {
            $job->release($this->calculateBackoff($job, $this->options));
        }
        ($this->report)($job->outcome('it took too long'));
        parent::kill($status, ...$more);
    }

    /** A job's own timeout, and never longer than the function has left. */
    protected function timeoutForJob($job, WorkerOptions $options): int
    {
        $timeout = (int) parent::timeoutForJob($job, $options);
        return $timeout > 0 ? min($timeout, $this->secondsLeft) : $this->secondsLeft;
    }

    protected function stopWorkerIfLostConnection($e): void
    {
        parent::stopWorkerIfLostConnection($e);
        $this->connectionIsLost = $this->causedByLostConnection($e);
    }
}

(static function (array $options): void {
    $orders = fopen('php://fd/3', 'r');
    $reports = fopen('php://fd/4', 'w');
    $report = static function (Outcome $outcome) use ($reports): void {
        fwrite($reports, json_encode($outcome->toArray(), JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR) . "\n");
    };

    $app = require dirname(__DIR__) . '/bootstrap/app.php';
    $app->make(Kernel::class)->bootstrap();
    $worker = new JobWorker(
        $app->make('queue'),
        $app->make('events'),
        $app->make(ExceptionHandler::class),
        static fn (): bool => false,
        (fn (): ?callable => $this->resetScope ?? null)->call($app->make('queue.worker')),
    );
    $worker->setCache($app->make('cache')->driver()); // counts a job's exceptions, for its $maxExceptions
    $workerOptions = new WorkerOptions(
        backoff: $options['backoff'],
        memory: $options['memory_mb'],
        timeout: $options['timeout'],
        maxTries: $options['tries'],
    );

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

    do {
        $report(new Outcome(Worker::READY));
        if (!is_string($line = fgets($orders))) {
            return;
        }
        $order = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
        $worker->run(new SqsJob($app, $order['record']), $order['seconds'], $workerOptions, $report);
    } while (!$worker->isWorn($workerOptions));
    $report(new Outcome(Worker::WORN));
})(json_decode($argv[1], true, 512, JSON_THROW_ON_ERROR));
