<?php

namespace App\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use RuntimeException;

/** Does, as a job, what a test asks for. */
class Probe implements ShouldQueue
{
    use InteractsWithQueue;
    use Queueable;

    public function __construct(public string $what, public string $label = '')
    {
    }

    public function handle(): void
    {
        fwrite(STDOUT, "job $this->label attempt {$this->attempts()} on {$this->job->getQueue()} pid " . getmypid() . "\n");
        match ($this->what) {
            'succeed' => null,
            'throw' => throw new RuntimeException("job $this->label throws"),
            'release' => $this->release(17),
            'fail' => $this->fail(new RuntimeException("job $this->label fails for good")),
            'delete' => $this->delete(),
            'exit' => exit(9),
            'sleep' => sleep(30),
            'memory' => ini_set('memory_limit', '32M') && str_repeat('x', 1 << 30),
            'env' => fwrite(STDOUT, 'value ' . getenv($this->label) . "\n"),
        };
    }
}
