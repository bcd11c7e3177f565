<?php

namespace App\Http\Controllers;

use Illuminate\Contracts\View\View;

class HomeController
{
    public function __invoke(): View
    {
        return view('home', [
            'facts' => [
                'Laravel' => app()->version(),
                'PHP' => PHP_VERSION,
                'Build' => config('example.build'),
                'Container' => config('example.container'),
            ],
        ]);
    }
}
