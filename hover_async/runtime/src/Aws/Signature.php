<?php

declare(strict_types=1);

namespace Hover\Aws;

/**
 * AWS Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
 *
 * Written out because libcurl's own (CURLOPT_AWS_SIGV4) reaches PHP with 8.2 only and
 * does not sign the session token before 7.88.
 */
final class Signature
{
    /**
     * The headers to send, `Authorization` included.
     *
     * @param array<string, string> $headers names in lower case
     * @return array<string, string>
     */
    public static function sign(
        Credentials $credentials,
        string $region,
        string $service,
        string $url,
        array $headers,
        string $body,
        int $now,
    ): array {
        $time = gmdate('Ymd\THis\Z', $now);
        $scope = gmdate('Ymd', $now) . "/$region/$service/aws4_request";
        $parts = (array) parse_url($url);
        $headers['host'] = $parts['host'] . (isset($parts['port']) ? ":{$parts['port']}" : '');
        $headers['x-amz-date'] = $time;
        if ($credentials->token !== '') {
            $headers['x-amz-security-token'] = $credentials->token;
        }
        ksort($headers);

        $signed = implode(';', array_keys($headers));
        $request = "POST\n" . self::path($parts['path'] ?? '/') . "\n" . self::query($parts['query'] ?? '') . "\n";
        foreach ($headers as $name => $value) {
            $request .= "$name:" . trim($value) . "\n";
        }
        $request .= "\n$signed\n" . hash('sha256', $body);

        $key = "AWS4$credentials->secret";
        foreach (explode('/', $scope) as $part) {
            $key = hash_hmac('sha256', $part, $key, true);
        }
        $text = "AWS4-HMAC-SHA256\n$time\n$scope\n" . hash('sha256', $request);
        $headers['authorization'] = "AWS4-HMAC-SHA256 Credential=$credentials->id/$scope, "
            . "SignedHeaders=$signed, Signature=" . hash_hmac('sha256', $text, $key);
        return $headers;
    }

    /** Each segment is encoded once more, for every service but S3. */
    private static function path(string $path): string
    {
        return implode('/', array_map(rawurlencode(...), explode('/', $path)));
    }

    private static function query(string $query): string
    {
        $pairs = $query === '' ? [] : explode('&', $query);
        sort($pairs);
        return implode('&', $pairs);
    }
}
