<?php

declare(strict_types=1);

namespace Hover\Warming;

use Hover\Fpm\Server;
use Hover\Http\Event;
use Hover\Http\Params;
use Hover\Http\Response;
use Hover\Invocation;
use Hover\Json;
use Hover\Log;

/** Makes this container warm, once, and tells which container it is. */
final class Warmth
{
    private ?float $bootMs = null;
    private ?string $warning = null;
    private readonly float $startMs;
    private readonly Probe $probe;

    public function __construct(
        private readonly Server $fpm,
        private readonly Params $params,
        private readonly string $opcacheScript,
        private readonly string $instance,
        float $startedAt,
        Log $log,
    ) {
        $this->startMs = (microtime(true) - $startedAt) * 1000;
        $this->probe = new Probe($fpm, $params, $log);
    }

    /** A visitor was first: nothing is left to warm. */
    public function visited(Invocation $invocation): void
    {
        $this->bootMs ??= $this->since($invocation);
    }

    /** @param array<mixed> $event `hold_ms`: answer no earlier, so that pings sent together meet different containers */
    public function ping(array $event, Invocation $invocation): string
    {
        $cold = $this->bootMs === null;
        if ($cold) {
            $this->warning = $this->probe->boot($invocation);
            $this->bootMs = $this->since($invocation);
        }
        $answer = [
            'instance' => $this->instance,
            'cold' => $cold,
            'boot_ms' => $this->bootMs,
            'start_ms' => round($this->startMs, 1),
            'fpm_ms' => round($this->fpm->longestWaitMs, 1),
            'opcache_scripts' => $this->opcacheScripts($invocation),
        ];
        if ($this->warning !== null) {
            $answer['warning'] = $this->warning;
        }
        $hold = $invocation->receivedAt + (int) ($event['hold_ms'] ?? 0) / 1000 - microtime(true);
        if ($hold > 0) {
            usleep((int) ($hold * 1e6));
        }
        return Json::encode($answer);
    }

    /** Start of the container and this event, without the time between the two. */
    private function since(Invocation $invocation): float
    {
        return round($this->startMs + (microtime(true) - $invocation->receivedAt) * 1000, 1);
    }

    private function opcacheScripts(Invocation $invocation): int
    {
        $event = Event::parse(['requestContext' => ['http' => ['method' => 'GET']]]);
        $params = ['SCRIPT_FILENAME' => $this->opcacheScript] + $this->params->of($event, $invocation->requestId);
        $answer = $this->fpm->request($params, '', $invocation->deadline - 1.0, 4096)->output;
        return Response::fromCgi($answer)->number();
    }
}
