<?php

namespace App\Store;

use App\Aws\Request;

/**
 * JSON objects below `example/` in the stage's private assets bucket, which every deployment has. CloudFront
 * serves the directories of builds only, so nobody else sees them.
 */
class S3Store implements Store
{
    public function __construct(private readonly Request $s3, private readonly string $bucket)
    {
    }

    public function put(string $key, array $value): void
    {
        $this->s3->send('PUT', $this->url($key), json_encode($value, JSON_THROW_ON_ERROR), ['Content-Type: application/json']);
    }

    public function get(string $key): ?array
    {
        $json = $this->s3->send('GET', $this->url($key));
        return $json === null ? null : json_decode($json, true, 512, JSON_THROW_ON_ERROR);
    }

    private function url(string $key): string
    {
        return "{$this->s3->endpoint()}/$this->bucket/example/" . rawurlencode($key) . '.json';
    }
}
