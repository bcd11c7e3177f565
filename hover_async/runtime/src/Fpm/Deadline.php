<?php

declare(strict_types=1);

namespace Hover\Fpm;

/** A request took longer than the function may. */
final class Deadline extends \Hover\RuntimeError
{
}
