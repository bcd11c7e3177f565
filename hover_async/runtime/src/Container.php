<?php

declare(strict_types=1);

namespace Hover;

use Closure;
use Hover\Aws\Client;
use Hover\Commands\Artisan;
use Hover\Fpm\Server;
use Hover\Http\Event;
use Hover\Http\Params;
use Hover\Http\Website;
use Hover\Queue\Batch;
use Hover\Queue\Sqs;
use Hover\Queue\Worker;
use Hover\Warming\Fleet;
use Hover\Warming\Warmth;

/** One container of one function: which events it answers follows from the function's role. */
final class Container
{
    /**
     * @param array<string, callable(array<mixed>, Invocation): string> $answers kind of event => who answers it
     * @param Closure(): void $rest done between events
     */
    private function __construct(
        private readonly string $role,
        private readonly array $answers,
        private readonly Closure $rest,
    ) {
    }

    public static function start(string $runtime, float $startedAt, Log $log): self
    {
        $function = getenv();
        $role = $function['HOVER_ROLE'] ?? '';
        if (!in_array($role, ['http', 'cli', 'queue'], true)) {
            throw new RuntimeError("HOVER_ROLE is '$role'; a function is http, cli or queue");
        }
        $laravel = new Laravel($runtime);
        $manifest = Manifest::read("$runtime/manifest.json");
        $aws = new Client($function);
        $secrets = Secrets::read("$runtime/secrets.json", $aws);
        $laravel->makeDirectories();
        $instance = self::instance();
        $environment = Environment::compose($function, $manifest, $secrets, $laravel, $instance);
        $php = Php::of($function, $runtime);

        return match ($role) {
            'http' => self::website($php, $laravel, $manifest, $aws, $environment, $instance, $startedAt, $log),
            'cli' => self::artisan($php, $laravel, $environment, $log),
            'queue' => self::queue($php, $runtime, $manifest, $aws, $environment, $log),
        };
    }

    public function handle(Invocation $invocation): string
    {
        $event = Json::decode($invocation->payload);
        $kind = self::kind($event);
        $answer = $this->answers[$kind] ?? throw new RuntimeError($kind === ''
            ? 'no event that a function of hover-async knows: keys ' . implode(', ', array_keys($event))
            : "this is a function of role '$this->role'; it does not answer $kind");
        return $answer($event, $invocation);
    }

    /** Between two events, when nobody waits for an answer. */
    public function rest(): void
    {
        ($this->rest)();
    }

    /** @param array<mixed> $event */
    private static function kind(array $event): string
    {
        return match (true) {
            Event::matches($event) => 'HTTP requests',
            isset($event['warmer_ping']) => 'warming pings',
            isset($event['warmer']) => 'the warmer',
            isset($event['command']) => 'commands',
            isset($event['schedule']) => 'the schedule',
            ($event['Records'][0]['eventSource'] ?? '') === 'aws:sqs' => 'queue messages',
            default => '',
        };
    }

    /** @param array<string, string> $environment */
    private static function website(
        Php $php,
        Laravel $laravel,
        Manifest $manifest,
        Client $aws,
        array $environment,
        string $instance,
        float $startedAt,
        Log $log,
    ): self {
        $fpm = new Server($php, "$laravel->runtime/php-fpm.conf", $environment, $log);
        $fpm->start();

        $distribution = preg_replace('~^.*://~', '', $environment['HOVER_ASSET_DOMAIN'] ?? '');
        $hosts = array_map(strtolower(...), [...$manifest->domains(), (string) $distribution]);
        $params = new Params($laravel->root, $hosts);
        $website = new Website($fpm, $params, $log);
        $warmth = new Warmth($fpm, $params, "$laravel->runtime/opcache.php", $instance, $startedAt, $log);
        $fleet = new Fleet($aws, $environment, $warmth);
        return new self('http', [
            'HTTP requests' => static function (array $event, Invocation $invocation) use ($website, $warmth): string {
                $answer = $website->answer($event, $invocation);
                $warmth->visited($invocation);
                return $answer;
            },
            'warming pings' => $warmth->ping(...),
            'the warmer' => $fleet->warm(...),
        ], $fpm->rest(...));
    }

    /** @param array<string, string> $environment */
    private static function artisan(Php $php, Laravel $laravel, array $environment, Log $log): self
    {
        $artisan = new Artisan($php, $laravel->root, $environment, $log);
        return new self('cli', [
            'commands' => $artisan->command(...),
            'the schedule' => $artisan->schedule(...),
        ], static function (): void {
        });
    }

    /** @param array<string, string> $environment */
    private static function queue(
        Php $php,
        string $runtime,
        Manifest $manifest,
        Client $aws,
        array $environment,
        Log $log,
    ): self {
        $options = $manifest->queue($environment['HOVER_QUEUE'] ?? '');
        $worker = new Worker($php, $runtime, $environment, $options, $log);
        $batch = new Batch($worker, new Sqs($aws), !empty($options['dead-letter']), $log);
        return new self('queue', ['queue messages' => $batch->process(...)], $worker->renew(...));
    }

    /** A random name, the same for as long as the container lives. */
    private static function instance(): string
    {
        $file = '/tmp/hover/instance';
        $id = @file_get_contents($file);
        if (!is_string($id) || $id === '') {
            $id = bin2hex(random_bytes(8));
            file_put_contents($file, $id);
        }
        return $id;
    }
}
