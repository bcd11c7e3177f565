"""Warming: a ping proves a container that can answer visitors, or says why it cannot."""

import json

import pytest

from tests.runtime.aws_api import AwsApi, AwsCall
from tests.runtime.conftest import Start
from tests.runtime.images import WRITTEN_AT

PING = {"warmer_ping": True, "hold_ms": 0}

PROVIDER = """<?php
namespace App\\Providers;
class AppServiceProvider extends \\Illuminate\\Support\\ServiceProvider
{
    public function boot(): void { %s }
}
"""


def routes(home: str) -> dict[str, str]:
    """An application whose front page does something."""
    return {
        "routes/web.php": "<?php\nuse Illuminate\\Support\\Facades\\Route;\n"
        f"Route::get('/', function () {{ {home} }});\n"
    }


@pytest.mark.every_base
def test_first_ping_boots_and_fills_the_opcache(function: Start) -> None:
    """The first ping is cold, sends the dummy request and tells the time of the boot."""
    web = function()
    first = web.api.invoke(PING).answer()
    assert first["cold"] is True
    assert 10 < first["boot_ms"] < 5000
    assert first["opcache_scripts"] > 200
    second = web.api.invoke(PING).answer()
    assert second == first | {"cold": False}


@pytest.mark.every_base
def test_visitors_find_everything_compiled(function: Start) -> None:
    """A page that the dummy request has seen compiles nothing any more."""
    web = function()
    compiled = web.api.invoke(PING).answer()["opcache_scripts"]
    web.http("/")
    assert web.api.invoke(PING).answer()["opcache_scripts"] == compiled


@pytest.mark.parametrize(("later_s", "page"), [(0, "<!doctype html>"), (2, "changed")])
def test_compiled_ahead_counts_while_its_source_is_the_same(
    function: Start, later_s: int, page: str
) -> None:
    """What the image brings compiled is used for a script of the same date, and for no other."""
    changed = routes("return 'changed, not the front page of the example';")
    web = function(role="http", files=changed, files_of=WRITTEN_AT + later_s)
    assert web.http("/")["body"].startswith(page)


def test_containers_have_different_names(function: Start) -> None:
    """Two containers never share an instance id."""
    first, second = function(), function()
    ids = {one.api.invoke(PING).answer()["instance"] for one in (first, second)}
    assert len(ids) == 2


def test_application_knows_its_container(function: Start) -> None:
    """HOVER_INSTANCE is the id that pings return."""
    web = function()
    page = json.loads(web.http("/env/HOVER_INSTANCE")["body"])
    assert page["env"] == web.api.invoke(PING).answer()["instance"]


@pytest.mark.parametrize("hold_ms", [300, 800])
def test_ping_is_held(function: Start, hold_ms: int) -> None:
    """A ping answers no earlier than it is told, and not much later."""
    web = function()
    web.api.invoke(PING)
    reply = web.api.invoke({"warmer_ping": True, "hold_ms": hold_ms})
    assert hold_ms / 1000 <= reply.seconds < hold_ms / 1000 + 0.2


def test_container_that_served_a_visitor_is_warm(function: Start) -> None:
    """After a visitor nothing is left to warm."""
    web = function()
    web.http("/")
    answer = web.api.invoke(PING).answer()
    assert answer["cold"] is False
    assert answer["boot_ms"] > 10


@pytest.mark.every_base
def test_parse_error_fails_the_ping_with_phps_message(function: Start) -> None:
    """A front controller that PHP cannot parse: PHP's own words."""
    web = function(files={"public/index.php": "<?php\n\nthis is no php;\n"})
    error = web.api.invoke(PING).error()
    assert "PHP Parse error:  syntax error, unexpected identifier" in error
    assert "/var/task/public/index.php on line 3" in error


def test_parse_error_in_a_page_fails_the_ping(function: Start) -> None:
    """Code of the front page that PHP cannot parse is a failure, though other pages would work."""
    web = function(files=routes("require '/var/task/broken.php';") | {"broken.php": "<?php ???"})
    assert "syntax error, unexpected token" in web.api.invoke(PING).error()


def test_missing_autoloader_fails_the_ping(function: Start) -> None:
    """A fatal error before Laravel runs."""
    web = function(files={"public/index.php": "<?php require '/var/task/vendor/none.php';"})
    assert "Failed opening required" in web.api.invoke(PING).error()


@pytest.mark.every_base
def test_exception_of_a_provider_fails_the_ping_with_its_message(function: Start) -> None:
    """An application that cannot boot: the exception's message, class and place."""
    code = PROVIDER % "throw new \\RuntimeException('no license key');"
    web = function(files={"app/Providers/AppServiceProvider.php": code})
    error = web.api.invoke(PING).error()
    assert error.startswith("no license key (RuntimeException at /var/task/app/Providers/")


def test_failed_boot_stays_failed(function: Start) -> None:
    """A second ping of a container that cannot boot fails as well."""
    web = function(files={"public/index.php": "<?php syntax error"})
    web.api.invoke(PING).error()
    assert "Parse error" in web.api.invoke(PING).error()


def test_front_page_that_takes_too_long_stands_in_nobodys_way(function: Start) -> None:
    """A ping that runs out of time ends its request: the next visitor need not wait for it."""
    files = routes("is_file('/tmp/slow') || (touch('/tmp/slow') && sleep(10)); return 'fast';")
    web = function(files=files)
    assert "did not end in time" in web.api.invoke(PING, timeout_s=2).error()
    assert web.http("/", timeout_s=4)["body"] == "fast"


def test_front_page_that_lacks_its_table_is_no_failure_to_boot(function: Start) -> None:
    """Before the deploy's migrations have run a page may fail; the ping says so and is well."""
    web = function(files=routes("throw new RuntimeException('no such table: pages');"))
    answer = web.api.invoke(PING).answer()
    assert answer["cold"] is True
    assert answer["warning"].startswith("no such table: pages")


@pytest.mark.parametrize("status", [302, 401, 404, 503])
def test_other_statuses_are_no_failures(function: Start, status: int) -> None:
    """A redirect, a login, a missing page and maintenance are answers of a booted one."""
    web = function(files=routes(f"abort({status});"))
    answer = web.api.invoke(PING).answer()
    assert answer["cold"] is True
    assert "warning" not in answer


def test_broken_fpm_configuration_fails_the_ping(function: Start) -> None:
    """FPM that does not start: its own message."""
    web = function(files={"hover_runtime/php-fpm.conf": "[global]\nnonsense = 1\n"})
    assert "unknown entry 'nonsense'" in web.api.invoke(PING).error()
    assert "unknown entry" in web.http("/")["body"]


def test_warmer_pings_others_of_its_own_version(function: Start) -> None:
    """EventBridge's event: N-1 pings to this function at this version, and one for itself."""

    def other(call: AwsCall) -> tuple[int, object]:
        return 200, {"instance": f"other-{call.headers['x-amz-date']}-{id(call)}", "cold": False}

    with AwsApi(other) as aws:
        web = function(AWS_ENDPOINT_URL=aws.endpoint)
        answer = web.api.invoke({"warmer": True, "containers": 4}).answer()
    assert answer["warm"] == 4
    assert answer["errors"] == []
    assert len(aws.calls) == 3
    for call in aws.calls:
        assert call.path == "/2015-03-31/functions/probe-http/invocations?Qualifier=7"
        assert call.json["warmer_ping"] is True
        assert call.json["hold_ms"] > 0
        assert call.is_signed("lambda", "eu-central-1")


def test_warmer_reports_what_failed(function: Start) -> None:
    """A throttled ping is named in the answer, and the rest counts."""
    with AwsApi(lambda _: (429, {"message": "Rate Exceeded."})) as aws:
        web = function(AWS_ENDPOINT_URL_LAMBDA=aws.endpoint, AWS_ENDPOINT_URL="http://127.0.0.1:9")
        answer = web.api.invoke({"warmer": True, "containers": 3}).answer()
    assert answer["warm"] == 1
    assert answer["errors"] == ["Rate Exceeded.", "Rate Exceeded."]
