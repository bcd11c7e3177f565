"""The same php-fpm behind nginx and behind the runtime: the same status, headers and body."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.runtime import gateway
from tests.runtime.conformance_cases import CASES, EVERYWHERE, FIRST_FORMAT, FORM, Case
from tests.runtime.conftest import Start
from tests.runtime.containers import Function
from tests.runtime.nginx import Nginx, nginx, unpack
from tests.runtime.visits import HOST, Answer, visit

# What belongs to a connection or a server, and not to an answer.
NOT_COMPARED = {"connection", "date", "keep-alive", "server", "transfer-encoding"}

# Of a Set-Cookie: the encrypted value, and a time that may be a second later on the other side.
UNSTEADY = re.compile(r"(^[^=]+|expires|max-age)=[^;]*", re.IGNORECASE)

CERTIFICATE = """
$key = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
$request = openssl_csr_new(['commonName' => 'api.example'], $key);
openssl_x509_export(openssl_csr_sign($request, null, $key, 2), $certificate);
openssl_pkey_export($key, $pem);
echo $certificate, $pem;
"""


@dataclass(frozen=True)
class Pair:
    """One php-fpm, reached in two ways."""

    nginx: Nginx
    function: Function

    def behind_nginx(self, raw: bytes) -> Answer:
        return self.nginx.send(raw)

    def behind_the_runtime(self, raw: bytes, version: int = 2) -> Answer:
        event = gateway.event(raw, self.nginx.port, version)
        reply = self.function.api.invoke(event).answer()
        return gateway.answer(reply, version, raw.partition(b" ")[0].decode())


@pytest.fixture(scope="module")
def pair(
    starter: Callable[[ExitStack], Start], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    tmp = tmp_path_factory.mktemp("tmp")
    tmp.chmod(0o777)
    root = unpack(tmp_path_factory.mktemp("nginx"))
    with ExitStack() as stack:
        function = starter(stack)(tmp=tmp)
        function.http("/")
        certificate = function.run("php", "-r", CERTIFICATE)
        directory = tmp_path_factory.mktemp("server")
        server = stack.enter_context(nginx(root, directory, tmp / "hover/fpm.sock", certificate))
        yield Pair(server, function)


def fields_of(answer: Answer) -> dict[str, Any]:
    """An answer by what may differ; a page that tells what the application saw by its parts."""
    found: dict[str, Any] = {"status": answer.status}
    for name in {name for name, _ in answer.headers} - NOT_COMPARED:
        values = answer.all(name)
        found[f"header {name}"] = values if name == "set-cookie" else ", ".join(values)
    if not answer.body.startswith(b'{"server":'):
        return found | {"body": answer.body}
    seen: dict[str, Any] = json.loads(answer.body)
    server = {f"server.{name}": value for name, value in seen.pop("server").items()}
    return found | server | seen


def differences(behind_nginx: Answer, behind_the_runtime: Answer) -> dict[str, tuple[Any, Any]]:
    """What differs, as (nginx, runtime)."""
    left, right = fields_of(behind_nginx), fields_of(behind_the_runtime)
    if "header content-length" not in left:
        # nginx sends in chunks what has no length of its own; API Gateway counts.
        right.pop("header content-length", None)
    missing = "(none)"
    return {
        name: (left.get(name, missing), right.get(name, missing))
        for name in sorted(left.keys() | right.keys())
        if left.get(name, missing) != right.get(name, missing)
    }


@pytest.mark.every_base
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_as_behind_nginx(pair: Pair, case: Case) -> None:
    """Status, headers, body and what the application sees are nginx's, or there is a reason."""
    behind_nginx = pair.behind_nginx(case.raw)
    assert behind_nginx.status == case.status
    found = differences(behind_nginx, pair.behind_the_runtime(case.raw))
    unexplained = {k: v for k, v in found.items() if k not in EVERYWHERE | case.differs}
    assert not unexplained
    assert not case.differs.keys() - found.keys(), "these reasons are not needed"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_as_behind_nginx_in_the_first_format(pair: Pair, case: Case) -> None:
    """Payload format 1.0 gives the same, but for the spelling of a query string."""
    found = differences(pair.behind_nginx(case.raw), pair.behind_the_runtime(case.raw, 1))
    explained = EVERYWHERE | FIRST_FORMAT | case.differs
    assert not {k: v for k, v in found.items() if k not in explained}


def test_what_differs_everywhere_does(pair: Pair) -> None:
    """No general reason is one that nothing needs."""
    raw = visit("GET", "/page")
    found = differences(pair.behind_nginx(raw), pair.behind_the_runtime(raw))
    assert EVERYWHERE.keys() - found.keys() <= {"server.REQUEST_TIME"}, "it may be the same second"


def walk(send: Callable[[bytes], Answer]) -> Iterator[Any]:
    """A visitor with a session: what each page answers, but for what is random."""
    cookies: dict[str, str] = {}
    token = ""

    def go(method: str, name: str = "", *, with_token: bool = True) -> Any:
        nonlocal token
        fields = {"name": name} | ({"_token": token} if with_token else {})
        jar = "; ".join(f"{key}={value}" for key, value in cookies.items())
        headers = [
            f"Referer: https://{HOST}/form?from=1",
            FORM,
            *([f"Cookie: {jar}"] if jar else []),
        ]
        answer = send(visit(method, "/form", *headers, body=urlencode(fields) if name else b""))
        seen = fields_of(answer)
        seen.pop("header content-length", None)
        cookies.update(c.split(";")[0].split("=", 1) for c in seen["header set-cookie"])
        seen["header set-cookie"] = [UNSTEADY.sub(r"\1", c) for c in seen["header set-cookie"]]
        if answer.body.startswith(b'{"token":'):
            page = json.loads(answer.body)
            token = page.pop("token")
            seen["body"] = page
        return seen

    yield go("GET")
    yield go("POST", "Ada", with_token=False)
    yield go("POST", "4da")
    yield go("GET")
    yield go("POST", "Ada")
    yield go("GET")


@pytest.mark.every_base
def test_session_csrf_and_redirect_back_are_the_same(pair: Pair) -> None:
    """A form without its token, with an error, corrected: cookies, redirects, pages are nginx's."""
    behind_nginx = list(walk(pair.behind_nginx))
    assert [page["status"] for page in behind_nginx] == [200, 419, 302, 200, 302, 200]
    assert behind_nginx[3]["body"]["old"] == "4da"
    assert behind_nginx[5]["body"]["saved"] == "Ada"
    assert list(walk(pair.behind_the_runtime)) == behind_nginx
