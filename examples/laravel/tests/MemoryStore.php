<?php

namespace Tests;

use App\Store\Store;

class MemoryStore implements Store
{
    /** @var array<string, array<string, mixed>> */
    private array $values = [];

    public function put(string $key, array $value): void
    {
        $this->values[$key] = $value;
    }

    public function get(string $key): ?array
    {
        return $this->values[$key] ?? null;
    }
}
