<?php

declare(strict_types=1);

namespace Hover;

/** Composes the variables that FPM, artisan and the queue worker see. */
final class Environment
{
    /**
     * Later ones win: defaults of the runtime, the function's variables, the manifest, the secrets,
     * and at last what only the runtime knows.
     *
     * @param array<string, string> $function variables of this process
     * @param array<string, string> $secrets
     * @return array<string, string>
     */
    public static function compose(
        array $function,
        Manifest $manifest,
        array $secrets,
        Laravel $laravel,
        string $instance,
    ): array {
        $assets = self::assetUrl($function['HOVER_ASSET_DOMAIN'] ?? '', $manifest->buildId());
        return [
            ...$assets === '' ? [] : ['ASSET_URL' => $assets, 'MIX_ASSET_URL' => $assets],
            ...$laravel->defaults($manifest),
            ...$function,
            ...$manifest->environment(),
            ...$secrets,
            ...$laravel->paths(),
            'HOVER_BUILD_ID' => $manifest->buildId(),
            'HOVER_INSTANCE' => $instance,
        ];
    }

    /** The assets of this build; the domain has a scheme only in a local AWS. */
    public static function assetUrl(string $domain, string $buildId): string
    {
        if ($domain === '') {
            return '';
        }
        $origin = str_contains($domain, '://') ? $domain : "https://$domain";
        return rtrim($origin, '/') . "/$buildId";
    }
}
