<?php

declare(strict_types=1);

namespace Hover\Http;

/**
 * A request as API Gateway hands it over, in one shape for both payload formats
 * (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
 */
final class Event
{
    /** @param array<string, string> $headers names in lower case; repeated ones joined */
    private function __construct(
        public readonly int $version,
        public readonly string $method,
        public readonly string $path,
        public readonly string $query,
        public readonly array $headers,
        public readonly string $body,
        public readonly string $clientAddress,
        public readonly string $protocol,
        public readonly string $domain,
    ) {
    }

    /** @param array<mixed> $event */
    public static function matches(array $event): bool
    {
        return isset($event['requestContext']['http']) || isset($event['httpMethod']);
    }

    /** @param array<mixed> $event */
    public static function parse(array $event): self
    {
        return isset($event['requestContext']['http']) ? self::second($event) : self::first($event);
    }

    /** @param array<mixed> $event payload format 2.0: repeated headers are joined already, cookies apart */
    private static function second(array $event): self
    {
        $context = $event['requestContext'];
        $headers = array_change_key_case(array_map(strval(...), $event['headers'] ?? []));
        if (!empty($event['cookies'])) {
            $headers['cookie'] = implode('; ', $event['cookies']);
        }
        return new self(
            2,
            (string) ($context['http']['method'] ?? 'GET'),
            self::path((string) ($event['rawPath'] ?? $context['http']['path'] ?? '/')),
            (string) ($event['rawQueryString'] ?? ''),
            $headers,
            self::body($event),
            (string) ($context['http']['sourceIp'] ?? '127.0.0.1'),
            (string) ($context['http']['protocol'] ?? 'HTTP/1.1'),
            (string) ($context['domainName'] ?? ''),
        );
    }

    /** @param array<mixed> $event payload format 1.0: every value of a header or a query parameter, decoded */
    private static function first(array $event): self
    {
        $context = $event['requestContext'] ?? [];
        $headers = array_map(strval(...), $event['headers'] ?? []);
        foreach ($event['multiValueHeaders'] ?? [] as $name => $values) {
            $headers[$name] = implode(strtolower((string) $name) === 'cookie' ? '; ' : ', ', $values);
        }
        return new self(
            1,
            (string) $event['httpMethod'],
            self::path((string) ($event['path'] ?? '/')),
            self::query($event),
            array_change_key_case($headers),
            self::body($event),
            (string) ($context['identity']['sourceIp'] ?? '127.0.0.1'),
            (string) ($context['protocol'] ?? 'HTTP/1.1'),
            (string) ($context['domainName'] ?? ''),
        );
    }

    /**
     * The path as it may stand in a request line. API Gateway decodes some of it; what cannot stand there
     * is encoded again, and what is encoded stays as it is.
     */
    private static function path(string $path): string
    {
        $encode = static fn (array $match): string => rawurlencode($match[0]);
        $path = preg_replace_callback('/[^!$&-;=@A-Z_a-z~%]|%(?![0-9A-Fa-f]{2})/', $encode, $path) ?? '/';
        return str_starts_with($path, '/') ? $path : "/$path";
    }

    /** @param array<mixed> $event */
    private static function query(array $event): string
    {
        $pairs = [];
        $parameters = $event['multiValueQueryStringParameters'] ?? $event['queryStringParameters'] ?? [];
        foreach ($parameters as $name => $values) {
            foreach ((array) $values as $value) {
                $pairs[] = rawurlencode((string) $name) . '=' . rawurlencode((string) $value);
            }
        }
        return implode('&', $pairs);
    }

    /** @param array<mixed> $event */
    private static function body(array $event): string
    {
        $body = (string) ($event['body'] ?? '');
        return empty($event['isBase64Encoded']) ? $body : (string) base64_decode($body);
    }
}
