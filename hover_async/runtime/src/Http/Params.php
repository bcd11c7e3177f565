<?php

declare(strict_types=1);

namespace Hover\Http;

/** The FastCGI parameters of a request: what nginx's `fastcgi.conf` would give, seen from the visitor. */
final class Params
{
    /** @param list<string> $visitorHosts hosts that X-Forwarded-Host may name: the distribution and the own domains */
    public function __construct(private readonly string $root, private readonly array $visitorHosts)
    {
    }

    /** @return array<string, string|int> */
    public function of(Event $event, string $requestId): array
    {
        [$host, $name, $port, $https] = $this->origin($event);
        $params = [
            'GATEWAY_INTERFACE' => 'CGI/1.1',
            'SERVER_SOFTWARE' => 'hover',
            'SERVER_PROTOCOL' => $event->protocol,
            'SERVER_NAME' => $name,
            'SERVER_PORT' => $port,
            'SERVER_ADDR' => '127.0.0.1',
            'REMOTE_ADDR' => $event->clientAddress,
            'REMOTE_PORT' => 0,
            'REQUEST_SCHEME' => $https ? 'https' : 'http',
            'REQUEST_METHOD' => $event->method,
            'REQUEST_URI' => $event->query === '' ? $event->path : "$event->path?$event->query",
            'QUERY_STRING' => $event->query,
            'DOCUMENT_ROOT' => "$this->root/public",
            'SCRIPT_FILENAME' => "$this->root/public/index.php",
            'SCRIPT_NAME' => '/index.php',
            'DOCUMENT_URI' => '/index.php',
            'CONTENT_TYPE' => $event->headers['content-type'] ?? '',
            'CONTENT_LENGTH' => $event->body === '' ? '' : strlen($event->body),
            'REDIRECT_STATUS' => 200,
            'HOVER_REQUEST_ID' => $requestId,
        ];
        if ($https) {
            $params['HTTPS'] = 'on';
        }
        foreach ($event->headers as $header => $value) {
            // What nginx takes for a name: PHP makes an underscore of a dot, so others could pose as a header they
            // are not. "Proxy" would become HTTP_PROXY (https://httpoxy.org).
            if ($header !== 'proxy' && preg_match('/^[a-z0-9-]+$/D', (string) $header)) {
                $params['HTTP_' . strtoupper(strtr((string) $header, '-', '_'))] = $value;
            }
        }
        if ($event->body === '') {
            unset($params['HTTP_CONTENT_LENGTH']); // API Gateway gives every GET one of 0
        }
        return ['HTTP_HOST' => $host] + $params;
    }

    /**
     * Host, its name, port and scheme as the visitor typed them.
     *
     * CloudFront does not pass the visitor's Host on, so it comes as X-Forwarded-Host, which anyone may send
     * to the API directly: it is believed only when it names a host of ours.
     *
     * @return array{string, string, int, bool}
     */
    private function origin(Event $event): array
    {
        $host = $event->headers['host'] ?? $event->domain;
        $forwarded = $event->headers['x-forwarded-host'] ?? '';
        if ($forwarded !== '' && in_array(strtolower($forwarded), $this->visitorHosts, true)) {
            $host = $forwarded;
        }
        $https = strtolower($event->headers['x-forwarded-proto'] ?? 'http') === 'https';
        $name = preg_replace('/:\d+$/', '', $host) ?? $host;
        $named = substr($host, strlen($name) + 1);
        $port = $named !== '' ? $named : ($event->headers['x-forwarded-port'] ?? '');
        return [$host, strtolower($name), ctype_digit($port) ? (int) $port : ($https ? 443 : 80), $https];
    }
}
