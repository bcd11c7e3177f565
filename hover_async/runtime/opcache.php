<?php

// Asked by the warming ping, over FPM's socket only: how many scripts the OPcache holds.
$status = function_exists('opcache_get_status') ? opcache_get_status(false) : false;
echo (int) ($status['opcache_statistics']['num_cached_scripts'] ?? 0);
