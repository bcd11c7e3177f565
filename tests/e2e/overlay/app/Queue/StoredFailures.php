<?php

namespace App\Queue;

use App\Store\Store;
use Illuminate\Queue\Failed\FailedJobProviderInterface;

/** The failed jobs, in the store that all functions share; a test reads them there. */
class StoredFailures implements FailedJobProviderInterface
{
    public function __construct(private readonly Store $store)
    {
    }

    public function log($connection, $queue, $payload, $exception)
    {
        $id = bin2hex(random_bytes(8));
        $this->store->put("failed-$id", ['queue' => $queue, 'payload' => $payload, 'exception' => $exception->getMessage()]);
        return $id;
    }

    public function all()
    {
        return [];
    }

    public function find($id)
    {
        return null;
    }

    public function forget($id)
    {
        return false;
    }

    public function flush($hours = null)
    {
    }
}
