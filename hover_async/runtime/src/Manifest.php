<?php

declare(strict_types=1);

namespace Hover;

/** What the user wrote for this stage, and which build this image is. */
final class Manifest
{
    /** @param array<string, mixed> $values */
    private function __construct(private readonly array $values)
    {
    }

    public static function read(string $file): self
    {
        $json = @file_get_contents($file);
        if ($json === false) {
            throw new RuntimeError("$file is not in the image; was it made by 'hover-async build'?");
        }
        try {
            return new self(Json::decode($json));
        } catch (\JsonException $e) {
            throw new RuntimeError("$file is not JSON: " . $e->getMessage());
        }
    }

    public function buildId(): string
    {
        $id = $this->values['build_details']['id'] ?? null;
        return is_string($id) ? $id : throw new RuntimeError('the manifest in the image has no build_details.id');
    }

    public function name(): string
    {
        return (string) ($this->values['name'] ?? '');
    }

    /** @return array<string, string> */
    public function environment(): array
    {
        return array_map(
            static fn (mixed $value): string => is_bool($value) ? ($value ? 'true' : 'false') : (string) $value,
            $this->values['environment'] ?? [],
        );
    }

    /** @return list<string> host names of the visitors, besides the distribution's own */
    public function domains(): array
    {
        return array_values(array_map(strval(...), (array) ($this->values['http']['domains'] ?? [])));
    }

    /** @return array<string, mixed> */
    public function queue(string $name): array
    {
        $queue = $this->values['queue'][$name] ?? null;
        return is_array($queue) ? $queue : throw new RuntimeError("the manifest has no queue '$name'");
    }
}
