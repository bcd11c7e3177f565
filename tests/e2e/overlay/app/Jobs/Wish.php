<?php

namespace App\Jobs;

use App\Store\Store;
use Illuminate\Contracts\Queue\Job;
use RuntimeException;

/** Does, attempt by attempt, what a test wishes, and leaves a note of each attempt in the store. */
class Wish
{
    public function __construct(private readonly Store $store)
    {
    }

    /** @param array{label: string, wishes: list<string>} $data after the last wish it succeeds */
    public function fire(Job $job, array $data): void
    {
        $attempt = $job->attempts();
        $this->store->put("attempt-{$data['label']}-$attempt", [
            'label' => $data['label'],
            'attempt' => $attempt,
            'at' => microtime(true),
            'container' => getenv('HOVER_INSTANCE'),
            'process' => getmypid(),
        ]);
        [$wish, $argument] = explode(' ', ($data['wishes'][$attempt - 1] ?? 'succeed') . ' ');
        match ($wish) {
            'succeed' => $job->delete(),
            'throw' => throw new RuntimeException("attempt $attempt of {$data['label']} fails as wished"),
            'release' => $job->release((int) $argument),
            'die' => posix_kill(getmypid(), SIGKILL),
        };
    }
}
