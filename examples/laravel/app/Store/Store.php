<?php

namespace App\Store;

/** What all functions of the example share: containers have no disk in common. */
interface Store
{
    /** @param array<string, mixed> $value */
    public function put(string $key, array $value): void;

    /** @return array<string, mixed>|null */
    public function get(string $key): ?array;
}
