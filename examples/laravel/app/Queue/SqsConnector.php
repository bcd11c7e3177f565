<?php

namespace App\Queue;

use App\Aws\Request;
use Illuminate\Queue\Connectors\ConnectorInterface;

class SqsConnector implements ConnectorInterface
{
    public function __construct(private readonly Request $sqs)
    {
    }

    public function connect(array $config): SqsQueue
    {
        return new SqsQueue($this->sqs, $config['prefix'], $config['suffix'], $config['queue']);
    }
}
