<?php

declare(strict_types=1);

namespace Hover\Aws;

use CurlHandle;
use Hover\Json;
use Hover\RuntimeError;

/** The few AWS calls of the runtime, with the function's own role. */
final class Client
{
    private const TIMEOUT_S = 10;
    private const MAX_TRIES = 4;

    /** Of the first pause at most; each next one may be twice as long. */
    private const PAUSE_MS = 25;

    /** Errors that AWS answers with 400 though asking again helps (botocore's list of throttling errors). */
    private const BUSY = '/Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|KMSInternal|DependencyTimeout/';

    private ?CurlHandle $curl = null;

    /** @param array<string, string> $variables the function's own, before the manifest's are put on top */
    public function __construct(private readonly array $variables)
    {
    }

    public function region(): string
    {
        return $this->variables['AWS_REGION'] ?? $this->variables['AWS_DEFAULT_REGION'] ?? 'us-east-1';
    }

    /** `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL`, else AWS itself. */
    public function endpoint(string $service): string
    {
        $url = $this->variables['AWS_ENDPOINT_URL_' . strtoupper($service)]
            ?? $this->variables['AWS_ENDPOINT_URL']
            ?? sprintf('https://%s.%s.%s', $service, $this->region(), $this->suffix());
        return rtrim($url, '/');
    }

    private function suffix(): string
    {
        return str_starts_with($this->region(), 'cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
    }

    /**
     * One call of a service that speaks AWS JSON; for calls that are safe to repeat. Asked again, a moment later, where
     * the service was busy or did not answer.
     *
     * @param array<string, mixed> $input
     * @param float $until Unix time at which nobody waits for the answer any more
     * @return array<mixed>
     * @throws RuntimeError
     */
    public function json(string $service, string $target, array $input, float $until = INF): array
    {
        for ($tries = 1; ; $tries++) {
            [$status, $answer] = $this->ask($service, $target, $input, $until - microtime(true));
            if ($status === 200) {
                return $answer === '' ? [] : Json::decode($answer);
            }
            $why = $answer === '' ? curl_error($this->curl) : self::complaint($answer);
            $isBusy = $status === 0 || $status >= 500 || $status === 429 || preg_match(self::BUSY, $why) === 1;
            if (!$isBusy || $tries === self::MAX_TRIES || microtime(true) >= $until) {
                throw new RuntimeError("$target at {$this->endpoint($service)} failed ($status): $why");
            }
            usleep(random_int(0, self::PAUSE_MS << $tries) * 1000);
        }
    }

    /**
     * @param array<string, mixed> $input
     * @return array{int, string} status, 0 without an answer, and the answer
     */
    private function ask(string $service, string $target, array $input, float $leftS): array
    {
        $this->curl ??= curl_init();
        curl_reset($this->curl);
        $this->prepare($this->curl, $service, $this->endpoint($service) . '/', Json::encode($input), [
            'content-type' => $service === 'sqs' ? 'application/x-amz-json-1.0' : 'application/x-amz-json-1.1',
            'x-amz-target' => $target,
        ]);
        curl_setopt($this->curl, CURLOPT_TIMEOUT_MS, (int) max(1, min($leftS, self::TIMEOUT_S) * 1000));
        $answer = curl_exec($this->curl);
        return is_string($answer) ? [(int) curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE), $answer] : [0, ''];
    }

    /** A handle that, once run, invokes a version of a function. */
    public function invocation(string $function, string $version, string $payload, float $timeoutS): CurlHandle
    {
        $curl = curl_init();
        $url = $this->endpoint('lambda') . '/2015-03-31/functions/' . rawurlencode($function)
            . '/invocations?Qualifier=' . rawurlencode($version);
        $this->prepare($curl, 'lambda', $url, $payload, ['content-type' => 'application/json']);
        curl_setopt($curl, CURLOPT_TIMEOUT_MS, (int) ($timeoutS * 1000));
        return $curl;
    }

    /** @param array<string, string> $headers */
    private function prepare(CurlHandle $curl, string $service, string $url, string $body, array $headers): void
    {
        $credentials = new Credentials(
            $this->variables['AWS_ACCESS_KEY_ID'] ?? throw new RuntimeError('the function has no AWS_ACCESS_KEY_ID'),
            $this->variables['AWS_SECRET_ACCESS_KEY'] ?? '',
            $this->variables['AWS_SESSION_TOKEN'] ?? '',
        );
        $signed = Signature::sign($credentials, $this->region(), $service, $url, $headers, $body, time());
        $lines = ['Expect:'];
        foreach ($signed as $name => $value) {
            $lines[] = "$name: $value";
        }
        curl_setopt_array($curl, [
            CURLOPT_URL => $url,
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => $body,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_HTTPHEADER => $lines,
            CURLOPT_CONNECTTIMEOUT => 3,
        ]);
    }

    private static function complaint(string $answer): string
    {
        $error = json_decode($answer, true);
        return is_array($error)
            ? trim(($error['__type'] ?? '') . ' ' . ($error['message'] ?? $error['Message'] ?? ''))
            : substr($answer, 0, 300);
    }
}
