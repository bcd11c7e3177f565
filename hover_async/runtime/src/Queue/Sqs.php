<?php

declare(strict_types=1);

namespace Hover\Queue;

use Hover\Aws\Client;

/**
 * What the runtime asks of SQS about a message that Lambda received: everything else is in the answer.
 * Each may throw a RuntimeError, and then has done nothing.
 */
final class Sqs
{
    /** SQS's limit of a visibility timeout is 12 hours since Lambda received the message: 5 minutes ago at most, and a function runs 15. */
    private const MAX_DELAY_S = 43200 - 300 - 900;

    /** @see hover_async/manifest/names.py: what a dead letter queue's name has behind its queue's */
    private const DEAD = '-dead';
    private const FIFO = '.fifo';

    public function __construct(private readonly Client $aws)
    {
    }

    /**
     * The message is to come again in `$delayS`, not when its visibility timeout is over.
     *
     * @param array<mixed> $record
     * @param float $until Unix time
     */
    public function release(array $record, int $delayS, float $until): void
    {
        $this->aws->json('sqs', 'AmazonSQS.ChangeMessageVisibility', [
            'QueueUrl' => $this->url((string) $record['eventSourceARN']),
            'ReceiptHandle' => $record['receiptHandle'],
            'VisibilityTimeout' => min($delayS, self::MAX_DELAY_S),
        ], $until);
    }

    /**
     * Puts a copy of the message among the dead letters, at once: a job that gave up for good is not to run again only
     * because SQS counts receives.
     *
     * @param array<mixed> $record
     * @param float $until Unix time
     */
    public function bury(array $record, float $until): void
    {
        $arn = (string) $record['eventSourceARN'];
        $fifo = self::isFifo($record) ? self::FIFO : '';
        $this->aws->json('sqs', 'AmazonSQS.SendMessage', [
            'QueueUrl' => $this->url(substr($arn, 0, strlen($arn) - strlen($fifo)) . self::DEAD . $fifo),
            'MessageBody' => (string) $record['body'],
            ...$fifo === '' ? [] : [
                'MessageGroupId' => self::group($record),
                'MessageDeduplicationId' => (string) $record['messageId'],
            ],
        ], $until);
    }

    /** @param array<mixed> $record */
    public static function isFifo(array $record): bool
    {
        return str_ends_with((string) $record['eventSourceARN'], self::FIFO);
    }

    /** @param array<mixed> $record of a FIFO queue */
    public static function group(array $record): string
    {
        return (string) ($record['attributes']['MessageGroupId'] ?? '');
    }

    private function url(string $arn): string
    {
        [, , , , $account, $queue] = explode(':', $arn);
        return "{$this->aws->endpoint('sqs')}/$account/$queue";
    }
}
