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

    /** @var list<string> what a job leaves in memory */
    private static array $kept = [];

    public function __construct(public string $what, public string $label = '')
    {
    }

    public function handle(): void
    {
        fwrite(STDOUT, "job $this->label attempt {$this->attempts()} on {$this->job->getQueue()} pid " . getmypid() . "\n");
        match ($this->what) {
            'succeed' => null,
            'throw' => throw new RuntimeException("job $this->label throws"),
            'release' => $this->release($this->label === 'long' ? 86400 : 17),
            'fail' => $this->fail(new RuntimeException("job $this->label fails for good")),
            'delete' => $this->delete(),
            'delete and throw' => $this->delete() ?? throw new RuntimeException("job $this->label throws"),
            'exit' => exit(9),
            'sleep' => sleep(30),
            'memory' => ini_set('memory_limit', '32M') && str_repeat('x', 1 << 30),
            'grow' => self::$kept[] = str_repeat('x', (int) $this->label << 20),
            'lose' => throw new RuntimeException('SQLSTATE[HY000]: General error: 2006 MySQL server has gone away'),
            'leave' => proc_open(['/bin/sh', '-c', 'sleep 9'], [], $pipes) && posix_kill(getmypid(), 9),
            'flood' => $this->flood(),
            'pretend' => file_put_contents('php://fd/4', '{"kind": "deleted", "delay": 0, "message": ""}' . "\nno report\n"),
            'env' => fwrite(STDOUT, 'value ' . getenv($this->label) . "\n"),
        };
    }

    private function flood(): never
    {
        while (true) {
            fwrite(STDOUT, str_repeat("x\n", 4000));
        }
    }
}
