<?php

declare(strict_types=1);

use Hover\Container;
use Hover\Log;
use Hover\RuntimeApi;

require __DIR__ . '/autoload.php';

/**
 * The runtime loop of one Lambda container: take an event, answer it, take the next.
 * Only a container that cannot start leaves this file; no event ever does.
 */
(static function (): void {
    $startedAt = (float) $_SERVER['REQUEST_TIME_FLOAT'];
    $log = new Log();
    $api = new RuntimeApi((string) getenv('AWS_LAMBDA_RUNTIME_API'));

    try {
        $container = Container::start(__DIR__, $startedAt, $log);
    } catch (Throwable $e) {
        $log->error('the container cannot start: ' . $e->getMessage());
        $api->failStart($e);
        exit(1);
    }

    while (true) {
        $invocation = $api->next();
        $log->requestId = $invocation->requestId;
        try {
            $answer = $container->handle($invocation);
        } catch (Throwable $e) {
            $log->error($e->getMessage());
            $api->fail($invocation->requestId, $e);
            continue;
        }
        $api->answer($invocation->requestId, $answer);
        unset($invocation, $answer);
        try {
            $container->rest();
        } catch (Throwable $e) {
            $log->error($e->getMessage());
        }
    }
})();
