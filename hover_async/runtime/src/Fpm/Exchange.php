<?php

declare(strict_types=1);

namespace Hover\Fpm;

use Hover\Lines;

/**
 * One FastCGI request and its answer over one connection (https://fastcgi-archives.github.io/FastCGI_Specification.html).
 *
 * Reads while it writes: a script may answer before it has read a large body.
 */
final class Exchange
{
    private const BEGIN = 1;
    private const END = 3;
    private const PARAMS = 4;
    private const STDIN = 5;
    private const STDOUT = 6;
    private const STDERR = 7;
    private const MAX_RECORD = 65528;

    private string $received = '';
    private bool $ended = false;

    /**
     * @param resource $socket
     * @param int $keepBytes output beyond is counted, not kept
     * @param Lines $errors what PHP complains about, as it comes
     */
    public function __construct(
        private readonly mixed $socket,
        private readonly int $keepBytes,
        private readonly Lines $errors,
        private readonly Answer $answer = new Answer(),
    ) {
        stream_set_blocking($socket, false);
        stream_set_chunk_size($socket, 65536);
    }

    /** @param array<string, string|int> $params */
    public static function encode(array $params, string $body): string
    {
        return self::record(self::BEGIN, "\0\1\0\0\0\0\0\0") // role: responder; the connection is for one request
            . self::params($params)
            . self::stream(self::STDIN, $body);
    }

    /**
     * PHP does not take a pair that begins in one record and ends in the next (fcgi_read_request in
     * main/fastcgi.c reads each record by itself).
     *
     * @param array<string, string|int> $params
     */
    private static function params(array $params): string
    {
        $records = '';
        $pairs = '';
        foreach ($params as $name => $value) {
            $pair = self::length(strlen($name)) . self::length(strlen((string) $value)) . $name . $value;
            if ($pairs !== '' && strlen($pairs) + strlen($pair) > self::MAX_RECORD) {
                $records .= self::record(self::PARAMS, $pairs);
                $pairs = '';
            }
            $pairs .= $pair;
        }
        return $records . self::record(self::PARAMS, $pairs) . self::record(self::PARAMS, '');
    }

    /**
     * @param resource $log FPM's standard error
     * @param callable(): void $onLog called when it has something to read
     */
    public function run(string $request, float $deadline, mixed $log, callable $onLog): Answer
    {
        $request = $this->write($request);
        while (!$this->ended) {
            $left = $deadline - microtime(true);
            if ($left <= 0) {
                throw new Deadline('the request did not end in time');
            }
            $read = [$this->socket, $log];
            $write = $request === '' ? null : [$this->socket];
            $none = null;
            $seconds = (int) $left;
            @stream_select($read, $write, $none, $seconds, (int) (($left - $seconds) * 1e6));
            if (in_array($log, $read, true)) {
                $onLog();
            }
            if ($write) {
                $request = $this->write($request);
            }
            if (in_array($this->socket, $read, true)) {
                $this->read();
            }
        }
        return $this->answer;
    }

    /** Writes what goes without waiting; returns the rest. A worker that hung up is seen when reading. */
    private function write(string $request): string
    {
        $written = @fwrite($this->socket, $request);
        return $written === false ? '' : substr($request, $written);
    }

    private function read(): void
    {
        $bytes = @fread($this->socket, 65536);
        if ($bytes === '' || $bytes === false) {
            throw new Broken('php-fpm hung up before the answer was complete');
        }
        $buffer = $this->received . $bytes;
        $size = strlen($buffer);
        for ($at = 0; $at + 8 <= $size; $at = $next) {
            $length = unpack('n', $buffer, $at + 4)[1];
            $next = $at + 8 + $length + ord($buffer[$at + 6]);
            if ($next > $size) {
                break;
            }
            $this->take(ord($buffer[$at + 1]), substr($buffer, $at + 8, $length));
        }
        $this->received = $at === 0 ? $buffer : substr($buffer, $at);
    }

    private function take(int $type, string $content): void
    {
        if ($type === self::STDOUT) {
            $this->answer->outputBytes += strlen($content);
            $this->answer->output .= substr($content, 0, max(0, $this->keepBytes - strlen($this->answer->output)));
        } elseif ($type === self::STDERR) {
            $this->errors->add($content);
        } elseif ($type === self::END) {
            $this->ended = true;
        }
    }

    private static function length(int $length): string
    {
        return $length < 128 ? chr($length) : pack('N', $length | 0x80000000);
    }

    private static function stream(int $type, string $content): string
    {
        $records = '';
        for ($at = 0; $at < strlen($content); $at += self::MAX_RECORD) {
            $records .= self::record($type, substr($content, $at, self::MAX_RECORD));
        }
        return $records . self::record($type, '');
    }

    private static function record(int $type, string $content): string
    {
        return pack('CCnnn', 1, $type, 1, strlen($content), 0) . $content;
    }
}
