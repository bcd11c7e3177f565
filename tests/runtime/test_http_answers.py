"""What a visitor gets of an application's answer, and what when there is none."""

import base64
import json
import os
import re
import time
from typing import Any

import pytest

from tests.runtime.conftest import Start
from tests.runtime.containers import Function, request

MB = 1024 * 1024


def wish(
    status: int = 200, headers: list[tuple[str, str]] | None = None, body: bytes = b""
) -> dict[str, Any]:
    """A request for a certain answer."""
    answer = {"status": status, "headers": headers or [], "body": base64.b64encode(body).decode()}
    return {"query": "answer=" + base64.urlsafe_b64encode(json.dumps(answer).encode()).decode()}


def body(answer: dict[str, Any]) -> bytes:
    text = answer["body"].encode()
    return base64.b64decode(text) if answer["isBase64Encoded"] else text


@pytest.mark.parametrize("status", [200, 201, 202, 301, 304, 400, 401, 404, 418, 429, 500, 503])
def test_status_goes_out(web: Function, status: int) -> None:
    """The application's status is the visitor's."""
    assert web.http("/answer", **wish(status))["statusCode"] == status


def test_redirect_goes_out(web: Function) -> None:
    """A Location without a status is a 302."""
    answer = web.http("/answer", **wish(302, [("Location", "https://else.example/?a=b")]))
    assert answer["statusCode"] == 302
    assert answer["headers"]["location"] == "https://else.example/?a=b"


def test_every_cookie_goes_out(web: Function) -> None:
    """Several Set-Cookie headers stay several."""
    cookies = ["a=1; path=/; HttpOnly", "b=2; expires=Wed, 21 Oct 2026 07:28:00 GMT", "c=%3D"]
    answer = web.http("/answer", **wish(headers=[("Set-Cookie", c) for c in cookies]))
    assert answer["cookies"] == cookies
    assert "set-cookie" not in answer["headers"]


def test_repeated_headers_go_out(web: Function) -> None:
    """Values of a repeated header are joined, as HTTP allows."""
    headers = [("X-Two", "a"), ("X-Two", "b"), ("Vary", "Accept"), ("X-Colon", "a: b")]
    answer = web.http("/answer", **wish(headers=headers))["headers"]
    assert (answer["x-two"], answer["vary"], answer["x-colon"]) == ("a, b", "Accept", "a: b")


def test_first_format_keeps_repeated_headers(web: Function) -> None:
    """An event of payload format 1.0 is answered in that format."""
    wished = wish(headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])["query"]
    query = {"answer": wished.removeprefix("answer=")}
    event = {"httpMethod": "GET", "path": "/answer", "queryStringParameters": query}
    answer = web.api.invoke(event).answer()
    assert answer["multiValueHeaders"]["set-cookie"] == ["a=1", "b=2"]
    assert "cookies" not in answer


@pytest.mark.parametrize(
    ("content", "is_text"),
    [
        (b"", True),
        (b"plain\r\n\r\nwith an empty line", True),
        ("Grüße, 世界 \U0001f388".encode(), True),
        (b'</script>"\\/\t\x00\x1f', True),
        (bytes(range(256)), False),
        (b"\x89PNG\r\n\x1a\n" + os.urandom(20_000), False),
        ("ü".encode("latin-1"), False),
        (b"\xed\xa0\x80", False),
    ],
    ids=["empty", "lines", "utf-8", "control", "all-bytes", "png", "latin-1", "surrogate"],
)
def test_body_goes_out_byte_for_byte(web: Function, content: bytes, *, is_text: bool) -> None:
    """Text goes as it is, everything else as base64."""
    answer = web.http("/answer", **wish(body=content))
    assert body(answer) == content
    assert answer["isBase64Encoded"] is not is_text


def test_binary_answer_of_megabytes(web: Function) -> None:
    """A binary answer of 4 MB goes through as base64."""
    answer = web.http(f"/binary/{4 * MB}")
    assert answer["isBase64Encoded"]
    assert len(body(answer)) == 4 * MB


def test_download_goes_out(web: Function) -> None:
    """A file response brings its name and its bytes."""
    answer = web.http("/file")
    assert answer["headers"]["content-disposition"] == "attachment; filename=artisan.txt"
    assert body(answer).startswith(b"#!/usr/bin/env php")


def test_streamed_answer_goes_out_whole(web: Function) -> None:
    """What an application streams arrives in one piece."""
    assert web.http("/stream")["body"] == "one two three"


def test_php_does_not_advertise_itself(web: Function) -> None:
    """No X-Powered-By, and no warning in a page."""
    answer = web.http("/warned")
    assert "x-powered-by" not in answer["headers"]
    assert answer["body"] == "warned"


@pytest.mark.every_base
def test_what_an_application_logs_reaches_the_log(web: Function) -> None:
    """PHP's error log and Laravel's log become lines, with the request's id."""
    call = web.api.send(request("/warned"))
    call.reply.get(timeout=20).answer()
    web.http("/")
    lines = [e["message"] for e in web.logs() if e["requestId"] == call.request_id]
    assert any("to the error log" in line for line in lines), web.logs()
    assert any("to the Laravel log" in line for line in web.messages())


@pytest.mark.every_base
def test_work_after_the_answer_is_done_before_it_leaves(web: Function) -> None:
    """Terminable work is not frozen with the container: it ends before the answer goes."""
    assert web.http("/after")["body"] == "answered"
    assert web.run("cat", "/tmp/after") == "done"  # noqa: S108 - the container's


@pytest.mark.parametrize("path", [f"/big/{7 * MB}", f"/binary/{5 * MB}"])
def test_answer_above_lambdas_limit_is_a_clear_502(web: Function, path: str) -> None:
    """Above 6 MB (base64 counts) the visitor is told so, and the next request works."""
    answer = web.http(path)
    assert answer["statusCode"] == 502
    assert "6 MB" in answer["body"]
    assert web.http("/")["statusCode"] == 200


@pytest.mark.every_base
def test_exception_is_laravels_500(web: Function) -> None:
    """An exception is answered by Laravel and logged with its message."""
    assert web.http("/throw/pears")["statusCode"] == 500
    web.http("/")
    assert any("pears" in line for line in web.messages())


@pytest.mark.every_base
def test_fatal_error_is_a_500(web: Function) -> None:
    """Memory exhausted in a request: 500 to the visitor, the next one is answered."""
    assert web.http("/fatal")["statusCode"] == 500
    assert web.http("/")["body"] == "home"


def test_bad_events_do_not_end_the_loop(web: Function) -> None:
    """What is no JSON, no object or no event of ours is a Lambda error, and the loop goes on."""
    assert "Syntax error" in web.api.invoke(b"{nonsense").error()
    assert "expected a JSON object" in web.api.invoke(b"7").error()
    assert "keys what" in web.api.invoke({"what": 1}).error()
    assert "role 'http'" in web.api.invoke({"command": ["list"]}).error()
    assert web.http("/")["body"] == "home"


@pytest.mark.every_base
def test_killed_worker_is_a_502(function: Start) -> None:
    """A worker that dies in a request: 502, and FPM has a new one for the next."""
    web = function()
    assert web.http("/killed")["statusCode"] == 502
    assert web.http("/")["body"] == "home"


@pytest.mark.every_base
def test_dead_fpm_is_started_again(function: Start) -> None:
    """FPM killed between two requests: the next one is answered."""
    web = function()
    before = json.loads(web.http("/pid")["body"])
    web.run("sh", "-c", f"kill -9 {before['ppid']} {before['pid']}; sleep 0.2")
    after = json.loads(web.http("/pid")["body"])
    assert after["ppid"] != before["ppid"]
    assert any("php-fpm is gone" in line for line in web.messages())


@pytest.mark.every_base
def test_orphan_of_a_dead_fpm_is_ended(function: Start) -> None:
    """FPM's master is killed: its worker does not keep the container's memory."""
    web = function()
    pids = json.loads(web.http("/pid")["body"])
    web.logs()  # the event has been rested after
    web.run("sh", "-c", f"kill -9 {pids['ppid']}; sleep 0.2")
    assert web.http("/")["statusCode"] == 200
    status = f"cat /proc/{pids['pid']}/status 2>/dev/null || echo gone"
    assert re.search(r"^(gone|State:\tZ)", web.run("sh", "-c", status), re.MULTILINE)


@pytest.mark.parametrize("status", ["99", "700", "abc"])
def test_status_that_is_none_is_a_502(function: Start, status: str) -> None:
    """What no web server would pass on, API Gateway does not get either."""
    script = f"<?php header('Status: {status} What');"
    web = function(files={"public/index.php": script})
    assert web.http("/")["statusCode"] == 502


def test_request_that_outlives_its_deadline_is_a_504(function: Start) -> None:
    """At the deadline the visitor gets 504, the request is ended, and the next one is answered."""
    web = function()
    web.http("/")
    began = time.perf_counter()
    answer = web.http("/sleep/20", timeout_s=2)
    took = time.perf_counter() - began
    assert answer["statusCode"] == 504
    assert 1.2 < took < 2.0
    assert web.http("/sleep/0.1", timeout_s=5)["body"] == "slept"


def test_page_that_logs_without_end_is_a_504(function: Start) -> None:
    """However much comes, the deadline is not forgotten."""
    web = function()
    web.http("/")
    assert web.http("/flood", timeout_s=3)["statusCode"] == 504
    assert web.http("/sleep/0.1")["body"] == "slept"


def test_page_that_complains_much_does_not_end_the_loop(function: Start) -> None:
    """A hundred megabytes of PHP's messages go to the log, in 128 MB, PHP's own default."""
    web = function(files={"hover_runtime/memory.ini": "memory_limit = 128M"})
    assert web.http("/errors/100")["body"] == "complained"
    assert web.http("/")["body"] == "home"


def test_changed_template_is_shown(function: Start) -> None:
    """A template that was changed after the image compiled it is compiled once more."""
    route = "<?php Illuminate\\Support\\Facades\\Route::get('/', fn () => view('home'));"
    template = {"resources/views/home.blade.php": "{{ 6 * 7 }} is new", "routes/web.php": route}
    web = function(files=template, files_of=int(time.time()))
    assert web.http("/")["body"] == "42 is new"


def test_worker_that_keeps_much_memory_is_renewed(function: Start) -> None:
    """A worker whose memory stays taken after its requests makes way for a new one."""
    web = function(AWS_LAMBDA_FUNCTION_MEMORY_SIZE="256")
    before = json.loads(web.http("/pid")["body"])
    assert json.loads(web.http("/pid")["body"]) == before
    for _ in range(5):
        assert web.http("/many-values/1200000")["body"] == "1200000"
    after = json.loads(web.http("/pid")["body"])
    assert after["pid"] != before["pid"]
    assert after["ppid"] == before["ppid"]
    assert any("a new one takes its place" in line for line in web.messages())


def test_thousand_requests_leave_no_trace(function: Start) -> None:
    """Neither the loop's memory nor FPM's grows with the requests, and each is answered."""
    web = function()

    def memory_kb() -> list[int]:
        status = web.run("sh", "-c", "grep -h -E '^(RssAnon)' /proc/[0-9]*/status | sort")
        return sorted(int(line.split()[1]) for line in status.splitlines())[-3:]

    for _ in range(100):
        web.http("/big/100000")
    before = memory_kb()
    answers = {web.http("/big/100000")["body"] for _ in range(1000)}
    assert answers == {"x" * 100_000}
    assert all(now - then < 1000 for then, now in zip(before, memory_kb(), strict=True))
