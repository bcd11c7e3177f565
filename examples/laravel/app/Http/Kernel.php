<?php

namespace App\Http;

use Illuminate\Foundation\Http\Kernel as HttpKernel;

/** The example needs neither sessions nor cookies. */
class Kernel extends HttpKernel
{
}
