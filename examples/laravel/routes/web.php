<?php

use App\Http\Controllers\HomeController;
use App\Jobs\Greet;
use App\Store\Store;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Route;

Route::get('/', HomeController::class);

Route::get('/up', fn () => response('up', 200, ['Content-Type' => 'text/plain; charset=UTF-8']));

// Answers only when a deploy command (example:prepare) has run.
Route::get('/migrated', fn (Store $store) => ($prepared = $store->get('prepared'))
    ? response()->json($prepared)
    : response()->json(['error' => "the deploy command 'example:prepare' has not run"], 503));

Route::post('/greetings/{name}', function (Request $request, string $name) {
    Greet::dispatch($name, (int) $request->query('failures', 0));
    return response()->json(['queued' => $name], 202);
});

Route::get('/greetings/{name}', fn (Store $store, string $name) => ($greeting = $store->get("greeting-$name"))
    ? response()->json($greeting)
    : response()->json(['error' => "nobody has greeted $name yet"], 404));
