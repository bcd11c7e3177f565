<?php

declare(strict_types=1);

namespace Hover;

final class Json
{
    private const FLAGS = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
        | JSON_INVALID_UTF8_SUBSTITUTE;

    public static function encode(mixed $value): string
    {
        return json_encode($value, self::FLAGS);
    }

    /** @return array<mixed> */
    public static function decode(string $json): array
    {
        $value = json_decode($json, true, 512, JSON_THROW_ON_ERROR);
        if (!is_array($value)) {
            throw new RuntimeError('expected a JSON object, found ' . get_debug_type($value));
        }
        return $value;
    }
}
