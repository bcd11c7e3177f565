<?php

declare(strict_types=1);

namespace Hover\Commands;

/**
 * What a command printed, cut in the middle where it is too much: the beginning says what was done, the end
 * how it ended. In the answer it is base64, which must fit into Lambda's 6 MB.
 */
final class Output
{
    private const HALF_BYTES = 2_200_000;

    private string $head = '';
    private string $tail = '';
    private int $bytes = 0;

    public function add(string $bytes): void
    {
        $this->bytes += strlen($bytes);
        $room = self::HALF_BYTES - strlen($this->head);
        if ($room > 0) {
            $this->head .= substr($bytes, 0, $room);
            $bytes = substr($bytes, $room);
        }
        $this->tail .= $bytes;
        if (strlen($this->tail) > 2 * self::HALF_BYTES) {
            $this->tail = substr($this->tail, -self::HALF_BYTES);
        }
    }

    public function isTruncated(): bool
    {
        return $this->bytes > 2 * self::HALF_BYTES;
    }

    public function text(): string
    {
        if (!$this->isTruncated()) {
            return $this->head . $this->tail;
        }
        $cut = $this->bytes - 2 * self::HALF_BYTES;
        return "$this->head\n[hover: $cut bytes cut here]\n" . substr($this->tail, -self::HALF_BYTES);
    }
}
