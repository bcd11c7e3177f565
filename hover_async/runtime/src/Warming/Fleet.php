<?php

declare(strict_types=1);

namespace Hover\Warming;

use Hover\Aws\Client;
use Hover\Invocation;
use Hover\Json;

/** Keeps containers of this version warm: pings others and itself at the same time. */
final class Fleet
{
    /** Long enough for pings sent together to overlap. */
    private const HOLD_MS = 300;

    /** @param array<string, string> $environment */
    public function __construct(
        private readonly Client $aws,
        private readonly array $environment,
        private readonly Warmth $warmth,
    ) {
    }

    /** @param array<mixed> $event `containers`: how many, this one included */
    public function warm(array $event, Invocation $invocation): string
    {
        $ping = ['warmer_ping' => true, 'hold_ms' => self::HOLD_MS];
        $multi = curl_multi_init();
        $calls = [];
        for ($i = 1; $i < (int) ($event['containers'] ?? 1); $i++) {
            $calls[] = $call = $this->aws->invocation(
                $this->environment['AWS_LAMBDA_FUNCTION_NAME'] ?? '',
                $this->environment['AWS_LAMBDA_FUNCTION_VERSION'] ?? '$LATEST',
                Json::encode($ping),
                max(1.0, $invocation->secondsLeft() - 1.0),
            );
            curl_multi_add_handle($multi, $call);
        }
        do {
            curl_multi_exec($multi, $running);
            $running && curl_multi_select($multi, 0.05);
            $sent ??= $this->warmth->ping(['hold_ms' => 0], $invocation);
        } while ($running);

        $instances = [Json::decode($sent)['instance'] => true];
        $errors = [];
        foreach ($calls as $call) {
            $answer = json_decode((string) curl_multi_getcontent($call), true);
            if (isset($answer['instance'])) {
                $instances[$answer['instance']] = true;
            } else {
                $errors[] = $answer['errorMessage'] ?? $answer['message'] ?? $answer['Message'] ?? curl_error($call);
            }
        }
        return Json::encode(['warm' => count($instances), 'instances' => array_keys($instances), 'errors' => $errors]);
    }
}
