<?php

namespace App\Queue;

use App\Aws\Request;
use Illuminate\Contracts\Queue\Queue as QueueContract;
use Illuminate\Queue\Queue;

/** Sends to SQS. Receiving is the work of Lambda and of hover-async's runtime. */
class SqsQueue extends Queue implements QueueContract
{
    public function __construct(
        private readonly Request $sqs,
        private readonly string $prefix,
        private readonly string $suffix,
        private readonly string $default,
    ) {
    }

    public function size($queue = null): int
    {
        return 0;
    }

    public function push($job, $data = '', $queue = null): string
    {
        return $this->pushRaw($this->createPayload($job, $queue ?? $this->default, $data), $queue);
    }

    public function pushRaw($payload, $queue = null, array $options = []): string
    {
        return $this->send($payload, $queue, 0);
    }

    public function later($delay, $job, $data = '', $queue = null): string
    {
        return $this->send($this->createPayload($job, $queue ?? $this->default, $data), $queue, $this->secondsUntil($delay));
    }

    public function pop($queue = null): ?\Illuminate\Contracts\Queue\Job
    {
        return null;
    }

    private function send(string $payload, ?string $queue, int $delay): string
    {
        $message = [
            'QueueUrl' => rtrim($this->prefix, '/') . '/' . ($queue ?? $this->default) . $this->suffix,
            'MessageBody' => $payload,
            'DelaySeconds' => $delay,
        ];
        $answer = $this->sqs->send('POST', $this->sqs->endpoint() . '/', json_encode($message, JSON_THROW_ON_ERROR), [
            'Content-Type: application/x-amz-json-1.0',
            'X-Amz-Target: AmazonSQS.SendMessage',
        ]);
        return json_decode((string) $answer, true)['MessageId'] ?? '';
    }
}
