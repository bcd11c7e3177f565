<?php

declare(strict_types=1);

namespace Hover;

/** A failure of the runtime or of what it was asked for; its message is meant to be read by people. */
class RuntimeError extends \RuntimeException
{
}
