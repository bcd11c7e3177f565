<?php

declare(strict_types=1);

namespace Hover;

use CurlHandle;
use Throwable;

/**
 * Lambda's runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html),
 * over one kept connection.
 */
final class RuntimeApi
{
    private readonly CurlHandle $curl;
    private readonly string $base;

    /** @var array<string, string> headers of the event being received, names in lower case */
    private array $headers = [];

    public function __construct(string $host)
    {
        $this->base = "http://$host/2018-06-01/runtime";
        $this->curl = curl_init();
    }

    /** Waits, as long as it takes, for the next event. */
    public function next(): Invocation
    {
        for ($failures = 0; ; $failures++) {
            $this->headers = [];
            curl_reset($this->curl);
            curl_setopt_array($this->curl, [
                CURLOPT_URL => $this->base . '/invocation/next',
                CURLOPT_RETURNTRANSFER => true,
                CURLOPT_TCP_NODELAY => true,
                CURLOPT_HEADERFUNCTION => $this->readHeader(...),
            ]);
            $payload = curl_exec($this->curl);
            $id = $this->headers['lambda-runtime-aws-request-id'] ?? '';
            if (is_string($payload) && $id !== '') {
                $deadline = (float) ($this->headers['lambda-runtime-deadline-ms'] ?? 0) / 1000;
                return new Invocation($id, $deadline, $payload, microtime(true));
            }
            if ($failures === 20) {
                throw new RuntimeError('the runtime API gives no event: ' . curl_error($this->curl));
            }
            usleep(50_000);
        }
    }

    public function answer(string $requestId, string $json): void
    {
        $status = $this->post("/invocation/$requestId/response", $json);
        if ($status === 413) {
            $this->fail($requestId, new RuntimeError(
                strlen($json) . ' bytes of answer are more than Lambda takes (6 MB)',
            ));
        }
    }

    public function fail(string $requestId, Throwable $error): void
    {
        $this->post("/invocation/$requestId/error", self::describe($error));
    }

    public function failStart(Throwable $error): void
    {
        $this->post('/init/error', self::describe($error));
    }

    private static function describe(Throwable $error): string
    {
        return Json::encode([
            'errorType' => strtr($error::class, '\\', '.'),
            'errorMessage' => $error->getMessage(),
            'stackTrace' => [],
        ]);
    }

    private function post(string $path, string $json): int
    {
        curl_reset($this->curl);
        curl_setopt_array($this->curl, [
            CURLOPT_URL => $this->base . $path,
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => $json,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TCP_NODELAY => true,
            // libcurl would wait up to a second for "100 Continue" before a large body.
            CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Expect:'],
        ]);
        curl_exec($this->curl);
        return (int) curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE);
    }

    private function readHeader(CurlHandle $curl, string $line): int
    {
        $parts = explode(':', $line, 2);
        if (isset($parts[1])) {
            $this->headers[strtolower($parts[0])] = trim($parts[1]);
        }
        return strlen($line);
    }
}
