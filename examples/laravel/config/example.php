<?php

return [
    'build' => env('HOVER_BUILD_ID', 'not built'),
    'container' => env('HOVER_INSTANCE', 'no container'),
    'bucket' => env('EXAMPLE_BUCKET', ''),
    'region' => env('AWS_REGION', 'us-east-1'),
    'endpoint' => env('AWS_ENDPOINT_URL'),
];
