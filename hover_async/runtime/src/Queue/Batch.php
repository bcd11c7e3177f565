<?php

declare(strict_types=1);

namespace Hover\Queue;

use Hover\Invocation;
use Hover\Json;
use Hover\Log;
use Hover\RuntimeError;

/**
 * The messages of one invocation; those that are not done are named in the answer
 * (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html), and Lambda deletes the others.
 */
final class Batch
{
    /** Kept back from the deadline: ending a job and sending the answer. */
    private const MARGIN_S = 1.0;

    /** Of these, for SQS: what it was not told by then comes again by itself. */
    private const SQS_S = 0.7;

    /** Laravel's shortest timeout. A message for which less is left had better come again. */
    private const LEAST_S = 1.0;

    /** @param bool $hasDeadLetters a job that finally failed goes there, too */
    public function __construct(
        private readonly Worker $worker,
        private readonly Sqs $sqs,
        private readonly bool $hasDeadLetters,
        private readonly Log $log,
    ) {
    }

    /**
     * @param array<mixed> $event
     * @throws RuntimeError when the worker cannot boot, and nothing of the batch is done
     */
    public function process(array $event, Invocation $invocation): string
    {
        $deadline = $invocation->deadline - self::MARGIN_S;
        $undone = [];
        $heldGroups = [];
        foreach ($event['Records'] as $i => $record) {
            // FIFO: nothing of a group overtakes a message of it that comes again.
            $group = Sqs::isFifo($record) ? Sqs::group($record) : null;
            $isHeld = $group !== null && isset($heldGroups[$group]);
            $isTried = !$isHeld && $deadline - microtime(true) >= self::LEAST_S;
            try {
                $isDone = $isTried && $this->isDone($record, $deadline);
            } catch (RuntimeError $e) {
                if (count($undone) === $i) {
                    throw $e;
                }
                $this->log->error($e->getMessage());
                $isDone = false;
                $deadline = 0.0; // for the others neither
            }
            if (!$isDone) {
                $undone[] = ['itemIdentifier' => $record['messageId']];
                $heldGroups[$group ?? ''] = true;
            }
        }
        return Json::encode(['batchItemFailures' => $undone]);
    }

    /** @param array<mixed> $record */
    private function isDone(array $record, float $deadline): bool
    {
        $outcome = $this->worker->work($record, $deadline);
        if ($outcome->kind === Outcome::DELETED) {
            return true;
        }
        $because = $outcome->message === '' ? '' : ": $outcome->message";
        $this->log->warning("message {$record['messageId']} is $outcome->kind$because");
        try {
            if ($outcome->kind === Outcome::RELEASED) {
                $this->sqs->release($record, $outcome->delayS, $deadline + self::SQS_S);
            } elseif ($outcome->isFinal() && $this->hasDeadLetters) {
                $this->sqs->bury($record, $deadline + self::SQS_S);
                return true;
            }
        } catch (RuntimeError $e) {
            $this->log->warning("message {$record['messageId']} comes again after its visibility timeout: {$e->getMessage()}");
            return false;
        }
        return $outcome->kind === Outcome::FAILED;
    }
}
