<?php

return [
    'default' => env('QUEUE_CONNECTION', 'sync'),
    'connections' => [
        'sync' => ['driver' => 'sync'],
        'sqs' => [
            'driver' => 'sqs',
            'prefix' => env('SQS_PREFIX', ''),
            'suffix' => env('SQS_SUFFIX', ''),
            'queue' => env('SQS_QUEUE', 'default'),
        ],
    ],
    'failed' => ['driver' => null],
];
