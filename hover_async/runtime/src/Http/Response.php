<?php

declare(strict_types=1);

namespace Hover\Http;

use Hover\Fpm\Broken;
use Hover\Json;

/** An answer to a visitor, and its form for API Gateway. */
final class Response
{
    /** Statuses whose answers end with their headers (RFC 9110, 15.3.5 and 15.4.5). */
    private const WITHOUT_BODY = [204, 304];

    /** @param list<array{string, string}> $headers in order, repeated ones repeated */
    private function __construct(
        public readonly int $status,
        private readonly array $headers,
        private readonly string $body,
    ) {
    }

    /** From what a CGI script prints: header lines, an empty line, the body. */
    public static function fromCgi(string $output): self
    {
        if (!preg_match('/\r?\n\r?\n/', $output, $match, PREG_OFFSET_CAPTURE)) {
            throw new Broken('php-fpm gave no header');
        }
        [$separator, $end] = $match[0];
        $status = 200;
        $headers = [];
        foreach (preg_split('/\r?\n/', substr($output, 0, $end)) ?: [] as $line) {
            [$name, $value] = array_map(trim(...), explode(':', $line, 2) + ['', '']);
            if (strcasecmp($name, 'Status') === 0) {
                $status = (int) $value;
                if ($status < 100 || $status > 599) {
                    throw new Broken("the application answered with the status '$value'");
                }
            } elseif ($name !== '') {
                $headers[] = [$name, $value];
            }
        }
        return new self($status, $headers, substr($output, $end + strlen($separator)));
    }

    /** An answer of the runtime itself. */
    public static function failure(int $status, string $message): self
    {
        return new self($status, [
            ['Content-Type', 'text/plain; charset=UTF-8'],
            ['Cache-Control', 'no-store'],
        ], "$message\n");
    }

    /** The body, of a script that prints a number. */
    public function number(): int
    {
        return (int) $this->body;
    }

    /** @param int $version payload format of the event that is answered */
    public function encode(int $version, bool $withBody): string
    {
        $body = $withBody && !in_array($this->status, self::WITHOUT_BODY, true) ? $this->body : '';
        $isText = preg_match('//u', $body) === 1;
        return Json::encode([
            'statusCode' => $this->status,
            ...$version === 2 ? $this->second() : $this->first(),
            'body' => $isText ? $body : base64_encode($body),
            'isBase64Encoded' => !$isText,
        ]);
    }

    /** @return array<string, mixed> */
    private function second(): array
    {
        $cookies = [];
        $headers = [];
        foreach ($this->headers as [$name, $value]) {
            $key = strtolower($name);
            if ($key === 'set-cookie') {
                $cookies[] = $value;
            } else {
                $headers[$key] = isset($headers[$key]) ? "$headers[$key], $value" : $value;
            }
        }
        return ['headers' => (object) $headers, 'cookies' => $cookies];
    }

    /** @return array<string, mixed> */
    private function first(): array
    {
        $headers = [];
        foreach ($this->headers as [$name, $value]) {
            $headers[strtolower($name)][] = $value;
        }
        return ['multiValueHeaders' => (object) $headers];
    }
}
