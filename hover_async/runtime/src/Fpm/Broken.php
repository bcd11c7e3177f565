<?php

declare(strict_types=1);

namespace Hover\Fpm;

/** FPM, or its worker, went away before the answer was complete, or what came is none. */
final class Broken extends \Hover\RuntimeError
{
}
