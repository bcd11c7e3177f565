"""What an application sees of a request: as behind a web server, exactly."""

import base64
import hashlib
import json
from typing import Any

import pytest

from tests.runtime.containers import Function, request


def seen(web: Function, path: str = "/page", **event: Any) -> dict[str, Any]:
    """What the application saw."""
    answer = web.http(path, **event)
    assert answer["statusCode"] == 200, answer
    body = json.loads(answer["body"])
    assert isinstance(body, dict)
    return body


def encoded(data: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(data).decode(), "isBase64Encoded": True}


@pytest.mark.parametrize(
    ("query", "parsed"),
    [
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "2"}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[x][y]=1", {"a": {"x": {"y": "1"}}}),
        ("a=%20+%2B", {"a": "  +"}),
        ("q=%E4%BD%A0%E5%A5%BD", {"q": "你好"}),
        ("q=%C3%BC&r=ü", {"q": "ü", "r": "ü"}),
        ("empty=&none", {"empty": "", "none": ""}),
        ("a=b=c&&d=1", {"a": "b=c", "d": "1"}),
        ("x=%26%3D%23", {"x": "&=#"}),
        ("a.b=1", {"a_b": "1"}),
        ("plus=a%2Bb&pct=100%25", {"plus": "a+b", "pct": "100%"}),
    ],
)
def test_query_string_arrives_byte_for_byte(
    web: Function, query: str, parsed: dict[str, Any]
) -> None:
    """The application gets the query string exactly as the visitor sent it."""
    page = seen(web, query=query)
    assert page["server"]["QUERY_STRING"] == query
    assert page["server"]["REQUEST_URI"] == f"/page?{query}"
    assert page["get"] == parsed


@pytest.mark.parametrize(
    ("raw", "uri", "path"),
    [
        ("/", "/", None),
        ("/a/b", "/a/b", "a/b"),
        ("/a%20b", "/a%20b", "a b"),
        ("/a b", "/a%20b", "a b"),
        ("/ü/%C3%BC", "/%C3%BC/%C3%BC", "ü/ü"),
        ("/a+b", "/a+b", "a+b"),
        ("/100%", "/100%25", "100%"),
        ("/a%2Fb", "/a%2Fb", "a/b"),
        ("/a//b/", "/a//b/", "a//b"),
        ("/~user/(x);v=1,2@3:4!$&'*", "/~user/(x);v=1,2@3:4!$&'*", "~user/(x);v=1,2@3:4!$&'*"),
        ('/"<>{}|', "/%22%3C%3E%7B%7D%7C", '"<>{}|'),
        ("/index.html", "/index.html", "index.html"),
    ],
)
def test_path_is_what_a_request_line_may_carry(
    web: Function, raw: str, uri: str, path: str | None
) -> None:
    """What API Gateway decoded is encoded again, and what is encoded stays."""
    answer = web.http(raw)
    if path is None:
        assert answer["body"] == "home"
    else:
        page = json.loads(answer["body"])
        assert page["server"]["REQUEST_URI"] == uri
        assert page["path"] == path


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_method_arrives(web: Function, method: str) -> None:
    """Every method reaches the application."""
    assert seen(web, method=method)["server"]["REQUEST_METHOD"] == method


def test_head_has_headers_and_no_body(web: Function) -> None:
    """HEAD answers like GET, without the body."""
    head, get = web.http("/", method="HEAD"), web.http("/")
    assert head["body"] == ""
    assert not head["isBase64Encoded"]
    assert head["headers"]["content-type"] == get["headers"]["content-type"]


@pytest.mark.parametrize(
    ("header", "value", "variable"),
    [
        ("accept-language", "de, en;q=0.5", "HTTP_ACCEPT_LANGUAGE"),
        ("x-repeated", "one, two", "HTTP_X_REPEATED"),
        ("X-UPPER", "kept", "HTTP_X_UPPER"),
        ("authorization", "Basic dXNlcjpwYXNz", "HTTP_AUTHORIZATION"),
        ("x-empty", "", "HTTP_X_EMPTY"),
        ("x-long", "v" * 60_000, "HTTP_X_LONG"),
        ("x-utf8", "ü", "HTTP_X_UTF8"),
        ("if-none-match", '"abc"', "HTTP_IF_NONE_MATCH"),
        ("user-agent", "Mozilla/5.0 (test)", "HTTP_USER_AGENT"),
    ],
)
def test_header_arrives(web: Function, header: str, value: str, variable: str) -> None:
    """A header reaches the application under its CGI name, whatever its length."""
    assert seen(web, headers={header: value})["server"][variable] == value


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        ("proxy", "HTTP_PROXY"),
        ("x_forwarded_for", "HTTP_X_FORWARDED_FOR"),
        ("x.forwarded-for", "HTTP_X_FORWARDED_FOR"),
        ("x forwarded-for", "HTTP_X_FORWARDED_FOR"),
    ],
)
def test_header_that_would_pose_as_another_is_dropped(
    web: Function, header: str, variable: str
) -> None:
    """`Proxy` (httpoxy), and names of which PHP would make another's, do not get through."""
    assert variable not in seen(web, headers={header: "evil"})["server"]


def test_cookies_arrive(web: Function) -> None:
    """Cookies of the event's own list are one Cookie header again."""
    page = seen(web, cookies=["a=1", "b=x%3Dy", "empty="])
    assert page["server"]["HTTP_COOKIE"] == "a=1; b=x%3Dy; empty="
    assert page["cookies"] == {"a": "1", "b": "x=y", "empty": ""}


def test_visitor_origin_is_seen(web: Function) -> None:
    """Address, scheme, host and port are the visitor's."""
    page = seen(web)
    server = page["server"]
    assert server["REMOTE_ADDR"] == page["ip"] == "203.0.113.7"
    assert (server["REQUEST_SCHEME"], server["SERVER_PORT"]) == ("https", "443")
    assert (server["HTTP_HOST"], server["SERVER_NAME"]) == ("api.example", "api.example")
    assert page["https"]
    assert page["url"] == "https://api.example/page"


def test_plain_http_and_port_are_seen(web: Function) -> None:
    """A local address keeps its port and its scheme."""
    headers = {"host": "x.localhost:4566", "x-forwarded-proto": "http", "x-forwarded-port": "4566"}
    page = seen(web, headers=headers)
    assert page["url"] == "http://x.localhost:4566/page"
    assert page["server"]["SERVER_PORT"] == "4566"
    assert page["server"]["SERVER_NAME"] == "x.localhost"
    assert not page["https"]


@pytest.mark.parametrize(
    ("forwarded", "host"),
    [
        ("www.probe.example", "www.probe.example"),
        ("d111.cloudfront.net", "d111.cloudfront.net"),
        ("evil.example", "api.example"),
    ],
)
def test_forwarded_host_is_believed_when_it_is_ours(
    web: Function, forwarded: str, host: str
) -> None:
    """X-Forwarded-Host counts when it names the distribution or a domain of the manifest."""
    page = seen(web, headers={"x-forwarded-host": forwarded})
    assert page["url"] == f"https://{host}/page"


def test_script_is_the_front_controller(web: Function) -> None:
    """Whatever the path, public/index.php runs, from the document root."""
    server = seen(web, "/any/thing.php")["server"]
    assert server["SCRIPT_FILENAME"] == "/var/task/public/index.php"
    assert server["SCRIPT_NAME"] == server["PHP_SELF"] == "/index.php"
    assert server["DOCUMENT_ROOT"] == "/var/task/public"
    assert "PATH_INFO" not in server


def test_form_arrives(web: Function) -> None:
    """A URL-encoded form is parsed as PHP does."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    page = seen(web, method="POST", headers=headers, body="a=1&b[]=x&b[]=%C3%BC")
    assert page["post"] == {"a": "1", "b": ["x", "ü"]}
    assert page["server"]["CONTENT_LENGTH"] == "20"


def test_json_body_arrives(web: Function) -> None:
    """A text body is not touched."""
    body = '{"name": "Ünï \\"q\\"", "list": [1, 2]}\n'
    headers = {"content-type": "application/json"}
    page = seen(web, method="POST", headers=headers, body=body)
    assert base64.b64decode(page["body"]).decode() == body
    assert page["server"]["CONTENT_TYPE"] == "application/json"


def test_binary_body_arrives(web: Function) -> None:
    """A base64 body is decoded: all byte values, several megabytes."""
    data = bytes(range(256)) * 12_000
    headers = {"content-type": "application/octet-stream"}
    page = seen(web, method="PUT", headers=headers, **encoded(data))
    assert base64.b64decode(page["body"]) == data


def test_uploads_arrive(web: Function) -> None:
    """A multipart form brings its fields and its files, byte for byte."""
    data = bytes(range(256)) * 4000
    body = (
        b'--B\r\nContent-Disposition: form-data; name="title"\r\n\r\nhello\r\n'
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="p\xc3\xbc.bin"\r\n'
        b"Content-Type: image/png\r\n\r\n" + data + b"\r\n--B--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=B"}
    page = seen(web, method="POST", headers=headers, **encoded(body))
    assert page["post"] == {"title": "hello"}
    digest = hashlib.sha256(data).hexdigest()
    assert page["files"]["file"] == {
        "name": "pü.bin",
        "type": "image/png",
        "sha256": digest,
        "error": 0,
        "size": len(data),
    }


def test_body_that_nobody_reads_does_no_harm(web: Function) -> None:
    """An application may answer without reading a large body."""
    headers = {"content-type": "application/octet-stream"}
    answer = web.http("/", method="GET", headers=headers, **encoded(b"x" * 4_000_000))
    assert answer["body"] == "home"


def test_empty_post_has_no_length(web: Function) -> None:
    """A POST without a body is one."""
    page = seen(web, method="POST")
    assert page["body"] == ""
    assert page["post"] == []


def test_request_id_arrives(web: Function) -> None:
    """The application can log Lambda's request id."""
    call = web.api.send(request("/page"))
    page = json.loads(call.reply.get(timeout=20).answer()["body"])
    assert page["server"]["HOVER_REQUEST_ID"] == call.request_id


def test_first_payload_format(web: Function) -> None:
    """Payload format 1.0: repeated headers and query parameters, cookies, address, path."""
    event = {
        "version": "1.0",
        "httpMethod": "POST",
        "path": "/page",
        "headers": {"Host": "one.example", "X-Forwarded-Proto": "https", "X-Two": "b"},
        "multiValueHeaders": {
            "Host": ["one.example"],
            "X-Two": ["a", "b"],
            "Cookie": ["c=1", "d=2"],
            "Content-Type": ["text/plain"],
        },
        "queryStringParameters": {"q": "2"},
        "multiValueQueryStringParameters": {"q": ["1 &", "2"], "e[]": [""]},
        "requestContext": {"identity": {"sourceIp": "203.0.113.9"}, "protocol": "HTTP/1.1"},
        "body": "hello",
        "isBase64Encoded": False,
    }
    answer = web.api.invoke(event).answer()
    page = json.loads(answer["body"])
    assert page["server"]["QUERY_STRING"] == "q=1%20%26&q=2&e%5B%5D="
    assert page["server"]["HTTP_X_TWO"] == "a, b"
    assert page["cookies"] == {"c": "1", "d": "2"}
    assert page["ip"] == "203.0.113.9"
    assert page["url"].startswith("https://one.example/page?")
    assert answer["multiValueHeaders"]["content-type"] == ["application/json"]


def test_smallest_event_is_a_request(web: Function) -> None:
    """An event with no headers, query or body is a plain GET."""
    answer = web.api.invoke({"requestContext": {"http": {"method": "GET"}}}).answer()
    assert (answer["statusCode"], answer["body"]) == (200, "home")
