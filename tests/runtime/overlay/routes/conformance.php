<?php

use Illuminate\Http\Request;
use Illuminate\Support\Facades\Route;

/* Answers as applications give them, for the comparison with nginx (test_conformance.py). */

Route::get('/etag', function (Request $request) {
    $response = response('tagged')->setEtag('v1')->setLastModified(new DateTime('2026-11-01T10:00:00Z'));
    $response->isNotModified($request);
    return $response;
});

Route::get('/download', fn () => response()->download(public_path('index.php'), 'Größe "1".txt', ['Content-Type' => 'text/plain']));

Route::get('/inline', fn () => response()->file(public_path('images/hover.svg')));

Route::get('/gzip', fn () => response(gzencode(str_repeat('compressed by the application ', 100)), 200, [
    'Content-Encoding' => 'gzip', 'Content-Type' => 'text/plain; charset=UTF-8', 'Vary' => 'Accept-Encoding',
]));

Route::get('/length', fn () => response('eleven here', 200, ['Content-Length' => '11', 'Content-Type' => 'text/plain']));

Route::get('/json', fn () => response()->json(['text' => 'Grüße </script> 世界', 'float' => 0.1, 'empty' => (object) []]));

Route::get('/jsonp', fn (Request $request) => response()->json(['a' => 1])->withCallback($request->query('callback')));

Route::get('/abort/{status}', fn (int $status) => abort($status, "aborted with $status"));

Route::get('/latin', fn () => response('named', 200, ['X-Name' => "gr\xfcn"]));

Route::get('/reason', fn () => response('fishing')->setStatusCode(404, 'Gone Fishing'));

Route::get('/maintenance', fn () => abort(503, 'back soon', ['Retry-After' => '60']));

Route::get('/to/{status}', fn (int $status) => redirect('/else where?a=1&b=ü', $status));

Route::get('/away', fn () => redirect()->away('https://else.example/path?x=1#part'));

Route::get('/back', fn () => redirect()->back());

Route::match(['GET', 'PUT'], '/only/get', fn () => 'only');

Route::post('/validated', fn (Request $request) => $request->validate([
    'name' => 'required|string|max:5', 'list.*' => 'integer',
]));

Route::get('/notice', function () {
    trigger_error('an old thing', E_USER_DEPRECATED);
    return 'noticed';
});

Route::get('/buffered', function () {
    echo 'echoed ';
    return 'returned';
});

Route::get('/chunked', fn () => response()->stream(function () {
    foreach (range(1, 200) as $i) {
        echo str_repeat(chr(64 + $i % 26), 1000), "\n";
        ob_get_level() && ob_flush();
        flush();
    }
}, 200, ['Content-Type' => 'text/plain', 'X-Accel-Buffering' => 'no']));

/* A visitor with a session: the form, and where it goes. */

$csrf = 'Illuminate\\Foundation\\Http\\Middleware\\';
config([
    'session.driver' => 'file',
    'session.files' => storage_path('framework/sessions'),
    'session.domain' => null,
    'session.secure' => null,
    'session.http_only' => true,
    'session.same_site' => 'lax',
    'session.expire_on_close' => false,
    'app.key' => 'base64:' . base64_encode(str_repeat('k', 32)),
]);

Route::middleware([
    Illuminate\Cookie\Middleware\EncryptCookies::class,
    Illuminate\Cookie\Middleware\AddQueuedCookiesToResponse::class,
    Illuminate\Session\Middleware\StartSession::class,
    Illuminate\View\Middleware\ShareErrorsFromSession::class,
    $csrf . (class_exists("{$csrf}PreventRequestForgery") ? 'PreventRequestForgery' : 'VerifyCsrfToken'),
])->group(function () {
    Route::get('/form', fn (Request $request) => response()->json([
        'token' => csrf_token(),
        'old' => $request->old('name'),
        'errors' => $request->session()->get('errors')?->all(),
        'saved' => $request->session()->get('saved'),
    ])->cookie('plain', 'value', 10));

    Route::post('/form', function (Request $request) {
        $request->validate(['name' => 'required|alpha']);
        return redirect('/form')->with('saved', $request->input('name'));
    });
});
