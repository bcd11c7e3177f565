<?php

declare(strict_types=1);

namespace Hover\Commands;

use Hover\RuntimeError;

/**
 * Splits a command line into words, as a shell would, without being one: nothing is ever expanded.
 * Nothing is gone back over (`++`, `*+`): PCRE would run out of stack on a long word.
 */
final class Words
{
    private const WORD = '/\G\s*+((?:"(?:\\\\.|[^"\\\\]++)*+"|\'[^\']*+\'|\\\\.|[^\s"\'\\\\]++)++)\s*+/s';
    private const PART = '/"((?:\\\\.|[^"\\\\]++)*+)"|\'([^\']*)\'|\\\\(.)|([^"\'\\\\]+)/s';

    /** @return list<string> */
    public static function of(string $line): array
    {
        $words = [];
        $at = 0;
        $line = trim($line);
        while ($at < strlen($line)) {
            if (preg_match(self::WORD, $line, $match, 0, $at) !== 1) {
                throw new RuntimeError("a quote in the command is not closed: $line");
            }
            $words[] = preg_replace_callback(self::PART, self::unquote(...), $match[1]);
            $at += strlen($match[0]);
        }
        return $words;
    }

    /** @param array<int, string> $part */
    private static function unquote(array $part): string
    {
        return match (true) {
            str_starts_with($part[0], '"') => (string) preg_replace('/\\\\(["\\\\$`])/', '$1', $part[1]),
            str_starts_with($part[0], "'") => $part[2],
            str_starts_with($part[0], '\\') => $part[3],
            default => $part[4],
        };
    }
}
