<?php

declare(strict_types=1);

namespace Hover\Warming;

/** The application cannot boot in this image; the message is its own. */
final class BootFailure extends \Hover\RuntimeError
{
}
