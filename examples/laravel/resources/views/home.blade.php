<!doctype html>
<html lang="en">
<head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{{ config('app.name') }}: Laravel on Lambda</title>
    <link rel="stylesheet" href="{{ mix('css/app.css') }}">
    <link rel="icon" href="{{ asset('images/hover.svg') }}" type="image/svg+xml">
</head>
<body>
    <main>
        <header>
            <div>
                <p class="eyebrow"><span class="live"></span> live on AWS Lambda</p>
                <h1>Laravel,<br>off the ground.</h1>
                <p class="lead">
                    PHP&#8209;FPM answered this request in a Lambda container. The stylesheet and the balloon came from
                    CloudFront, out of the directory of this very build.
                </p>
            </div>
            <img src="{{ asset('images/hover.svg') }}" width="420" height="420" alt="A balloon, hovering over its shadow">
        </header>

        <section aria-labelledby="facts">
            <h2 id="facts">This container</h2>
            <dl>
                @foreach ($facts as $name => $value)
                    <div>
                        <dt>{{ $name }}</dt>
                        <dd>{{ $value }}</dd>
                    </div>
                @endforeach
            </dl>
        </section>

        <nav aria-label="More of the example">
            <a href="/migrated"><b>/migrated</b> needs a deploy command to have run</a>
            <a href="/greetings/Ada"><b>/greetings/Ada</b> shows what a queue job left</a>
            <a href="/up"><b>/up</b> is asked before a release goes live</a>
        </nav>
    </main>
</body>
</html>
