<?php

declare(strict_types=1);

namespace Hover\Http;

use Hover\Fpm\Broken;
use Hover\Fpm\Deadline;
use Hover\Fpm\Server;
use Hover\Invocation;
use Hover\Log;
use Hover\RuntimeError;

/** Answers visitors through php-fpm; whatever goes wrong there, a visitor gets an HTTP answer. */
final class Website
{
    /** Lambda's limit of an answer (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html): 6 MB. */
    private const MAX_ANSWER_BYTES = 6 * 1024 * 1024;

    /** Kept back from the deadline: killing FPM and handing over the 504. */
    private const MARGIN_S = 0.4;

    public function __construct(
        private readonly Server $fpm,
        private readonly Params $params,
        private readonly Log $log,
    ) {
    }

    /** @param array<mixed> $event */
    public function answer(array $event, Invocation $invocation): string
    {
        $request = Event::parse($event);
        $response = $this->respond($request, $invocation);
        $json = $response->encode($request->version, $request->method !== 'HEAD');
        if (strlen($json) > self::MAX_ANSWER_BYTES) {
            $json = $this->tooLarge($request, strlen($json))->encode($request->version, true);
        }
        return $json;
    }

    private function respond(Event $request, Invocation $invocation): Response
    {
        $params = $this->params->of($request, $invocation->requestId);
        try {
            $answer = $this->fpm->request(
                $params,
                $request->body,
                $invocation->deadline - self::MARGIN_S,
                self::MAX_ANSWER_BYTES,
            );
            return $answer->isWhole()
                ? Response::fromCgi($answer->output)
                : $this->tooLarge($request, $answer->outputBytes);
        } catch (Deadline) {
            return $this->failure(504, $request, 'took longer than the function may; php-fpm was ended');
        } catch (Broken $e) {
            return $this->failure(502, $request, $e->getMessage());
        } catch (RuntimeError $e) {
            return $this->failure(500, $request, $e->getMessage());
        }
    }

    private function tooLarge(Event $request, int $bytes): Response
    {
        return $this->failure(502, $request, "an answer of $bytes bytes is more than Lambda's 6 MB");
    }

    private function failure(int $status, Event $request, string $message): Response
    {
        $this->log->error("$request->method $request->path: $message");
        return Response::failure($status, "$status: $message");
    }
}
