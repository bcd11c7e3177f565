<?php

declare(strict_types=1);

/** The runtime's own classes; no composer package is needed, and none of the application's is touched. */
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Hover\\')) {
        $file = __DIR__ . '/src/' . strtr(substr($class, 6), '\\', '/') . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
