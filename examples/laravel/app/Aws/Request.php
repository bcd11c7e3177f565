<?php

namespace App\Aws;

use RuntimeException;

/** One signed request to an AWS service; libcurl signs it (PHP 8.2). */
class Request
{
    public function __construct(private readonly string $service)
    {
    }

    public function endpoint(): string
    {
        $region = config('example.region');
        return rtrim(config('example.endpoint') ?? "https://$this->service.$region.amazonaws.com", '/');
    }

    /**
     * @param list<string> $headers
     * @return string|null the answer's body; null when there is no such thing (404)
     */
    public function send(string $method, string $url, string $body = '', array $headers = []): ?string
    {
        $curl = curl_init($url);
        if (($token = (string) getenv('AWS_SESSION_TOKEN')) !== '') {
            $headers[] = "X-Amz-Security-Token: $token";
        }
        curl_setopt_array($curl, [
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => 10,
            CURLOPT_AWS_SIGV4 => 'aws:amz:' . config('example.region') . ":$this->service",
            CURLOPT_USERPWD => getenv('AWS_ACCESS_KEY_ID') . ':' . getenv('AWS_SECRET_ACCESS_KEY'),
            CURLOPT_HTTPHEADER => $headers,
        ]);
        if ($body !== '') {
            curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
        }
        $answer = curl_exec($curl);
        $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
        if ($status === 404) {
            return null;
        }
        if ($answer === false || $status >= 300) {
            throw new RuntimeException("$method $url: $status " . ($answer ?: curl_error($curl)));
        }
        return $answer;
    }
}
