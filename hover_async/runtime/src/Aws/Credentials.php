<?php

declare(strict_types=1);

namespace Hover\Aws;

final class Credentials
{
    public function __construct(
        public readonly string $id,
        #[\SensitiveParameter] public readonly string $secret,
        #[\SensitiveParameter] public readonly string $token,
    ) {
    }
}
