<?php

namespace App\Jobs;

use App\Store\Store;
use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;
use RuntimeException;

/** Leaves a greeting in the store; its first attempts fail, if so wished. */
class Greet implements ShouldQueue
{
    use Dispatchable;
    use InteractsWithQueue;
    use Queueable;

    public function __construct(public string $name, public int $failures = 0)
    {
    }

    public function handle(Store $store): void
    {
        if ($this->attempts() <= $this->failures) {
            throw new RuntimeException("attempt {$this->attempts()} to greet $this->name fails as wished");
        }
        $store->put("greeting-$this->name", [
            'greeting' => "Hello, $this->name!",
            'attempt' => $this->attempts(),
            'container' => getenv('HOVER_INSTANCE'),
        ]);
    }
}
