<?php

declare(strict_types=1);

namespace Hover\Warming;

use Hover\Fpm\Server;
use Hover\Http\Event;
use Hover\Http\Params;
use Hover\Http\Response;
use Hover\Invocation;
use Hover\Log;

/**
 * The dummy request of a new container: `GET /`, which fills the OPcache with what visitors need.
 *
 * An error in it is not yet a failure to boot: before the deploy's migrations have run, a page may well
 * lack its table. So an application that answers 500 is asked for a page that nobody has. Booted, it
 * answers that one (404, a redirect, ...); an application that cannot boot fails there as well. Code that
 * PHP cannot compile, or a fatal error that Laravel could not catch, is a failure in any case.
 */
final class Probe
{
    private const UNKNOWN_PAGE = '/.well-known/hover-warmer';
    private const BROKEN_CODE = '/PHP (?:Parse|Fatal|Compile) error|\(ParseError\(/';
    private const MAX_BYTES = 1 << 20;

    /** `artisan down`: somebody's wish, not an error. */
    private const MAINTENANCE = 503;

    public function __construct(
        private readonly Server $fpm,
        private readonly Params $params,
        private readonly Log $log,
    ) {
    }

    /** @return string|null what `GET /` complained about, of an application that boots */
    public function boot(Invocation $invocation): ?string
    {
        $complaint = $this->get('/', $invocation);
        if ($complaint === null) {
            return null;
        }
        if (preg_match(self::BROKEN_CODE, implode("\n", $this->fpm->recentLines())) === 1) {
            throw new BootFailure($complaint);
        }
        if (($worse = $this->get(self::UNKNOWN_PAGE, $invocation)) !== null) {
            throw new BootFailure($worse);
        }
        $this->log->warning("GET / fails, though the application boots: $complaint");
        return $complaint;
    }

    private function get(string $path, Invocation $invocation): ?string
    {
        $event = Event::parse([
            'rawPath' => $path,
            'headers' => [
                'host' => 'localhost',
                'user-agent' => 'hover-warmer',
                'accept' => 'text/html',
                'x-forwarded-proto' => 'https',
            ],
            'requestContext' => ['http' => ['method' => 'GET', 'path' => $path, 'sourceIp' => '127.0.0.1']],
        ]);
        $params = $this->params->of($event, $invocation->requestId);
        $answer = $this->fpm->request($params, '', $invocation->deadline - 1.0, self::MAX_BYTES);
        $status = Response::fromCgi($answer->output)->status;
        if ($status < 500 || $status === self::MAINTENANCE) {
            return null;
        }
        return $this->reason() ?? "GET $path answered $status and logged nothing";
    }

    /** The error in PHP's words or in Laravel's ("production.ERROR: message {context}"). */
    private function reason(): ?string
    {
        $lines = $this->fpm->recentLines(0.05);
        foreach (['/PHP (?:Parse|Fatal|Compile) error:.*/', '/\.(?:ERROR|CRITICAL|ALERT|EMERGENCY): .*/'] as $pattern) {
            foreach ($lines as $line) {
                if (preg_match($pattern, $line, $match) === 1) {
                    $message = preg_replace('/^\.\w+: /', '', $match[0]);
                    return preg_replace('/ \{"exception":"\[object\] \(([\w\\\\]+)\(code: \S+\): .*? at (\S+:\d+)\).*/', ' ($1 at $2)', (string) $message);
                }
            }
        }
        return $lines === [] ? null : end($lines);
    }
}
