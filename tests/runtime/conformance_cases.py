"""The requests that php-fpm must answer alike behind nginx and behind the runtime.

A case is a name, the bytes that a visitor sends, and the differences it may show, each with its
reason. Fields of a page that tells what the application saw are `server.NAME`, `get`, `url`...; of
any answer `status`, `body` and `header NAME`. A reason that a case does not need fails it.
"""

import base64
import json
from dataclasses import dataclass, field

from tests.runtime.visits import chunks, visit

MB = 1024 * 1024
ALL_BYTES = bytes(range(256))
FORM = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"
BINARY = "Content-Type: application/octet-stream"
MULTIPART = "Content-Type: multipart/form-data; boundary=B"
AJAX = "Accept: application/json"

Differences = dict[str, str]

# Allowed in every case that shows what the application saw.
EVERYWHERE: Differences = {
    "server.SERVER_SOFTWARE": "the server's own name",
    "server.REMOTE_PORT": "API Gateway does not tell it",
    "server.REMOTE_USER": "Debian's nginx names whoever a Basic header names, unchecked",
    "server.REQUEST_TIME": "two requests",
    "server.REQUEST_TIME_FLOAT": "two requests",
    "server.HOVER_REQUEST_ID": "Lambda's request id, from the runtime alone",
    "server.HTTP_CONNECTION": "hop-by-hop: it ends at API Gateway",
    "server.HTTP_X_FORWARDED_FOR": "added by API Gateway",
    "server.HTTP_X_FORWARDED_PORT": "added by API Gateway",
    "server.HTTP_X_FORWARDED_PROTO": "added by API Gateway",
    "server.HTTP_X_AMZN_TRACE_ID": "added by API Gateway",
}

# Allowed besides in payload format 1.0.
FIRST_FORMAT: Differences = dict.fromkeys(
    ("server.QUERY_STRING", "server.REQUEST_URI", "url"),
    "parameters come decoded: encoded again their text may be another, their values are the same",
)

DECODED = "API Gateway decodes the path; what may stand in a request line stays decoded"
PATH: Differences = {"server.REQUEST_URI": DECODED, "url": DECODED}
PATH_INFO = dict.fromkeys(
    ("server.DOCUMENT_URI", "server.ORIG_SCRIPT_FILENAME", "server.PATH_TRANSLATED",
     "server.PHP_SELF", "server.SCRIPT_NAME"),
    "the runtime runs index.php for every path, and splits none; Laravel sees the same path",
)  # fmt: skip
SLASH = "API Gateway decodes %2F, and nothing tells it from a slash any more"
ENDED = "API Gateway ends the path at a decoded question mark"
UNENCODED = "API Gateway encodes what may not stand in a URL"
LONE = "API Gateway does not tell a lone question mark from none"
JOINED = (
    'nginx 1.22 passes both on and PHP keeps the last, 1.23 joins with ", ", API Gateway with ","'
)
EMPTY = "API Gateway gives every request a length and a type; the runtime drops a length of 0"
CHUNKED = "API Gateway hands on a whole body, with its length"
TOO_LARGE = "Lambda takes no answer above 6 MB: the runtime says so with a 502"


@dataclass(frozen=True)
class Case:
    name: str
    raw: bytes = field(repr=False)
    status: int
    differs: Differences


def send(
    name: str,
    method: str,
    target: str,
    *headers: str,
    body: bytes | str = b"",
    status: int = 200,
    differs: Differences | None = None,
) -> Case:
    return Case(name, visit(method, target, *headers, body=body), status, differs or {})


def get(
    name: str, target: str, *headers: str, status: int = 200, differs: Differences | None = None
) -> Case:
    return send(name, "GET", target, *headers, status=status, differs=differs)


def wish(
    name: str, status: int = 200, *headers: str, body: bytes = b"", method: str = "GET"
) -> Case:
    """A request for a certain answer, printed by PHP without Laravel."""
    pairs = [header.split(": ", 1) for header in headers]
    answer = {"status": status, "headers": pairs, "body": base64.b64encode(body).decode()}
    query = base64.urlsafe_b64encode(json.dumps(answer).encode()).decode()
    return send(name, method, f"/answer?answer={query}", status=status)


def part(name: str, content: bytes, *, file: str = "", media: str = "") -> bytes:
    """A part of a multipart body with the boundary B."""
    filename = f'; filename="{file}"' if file else ""
    kind = f"\r\nContent-Type: {media}" if media else ""
    head = f'--B\r\nContent-Disposition: form-data; name="{name}"{filename}{kind}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = b"--B--\r\n"

QUERIES = [
    get("no query", "/page"),
    get("query", "/page?a=1&b=2"),
    get("lone question mark", "/page?", differs={"server.REQUEST_URI": LONE}),
    get("repeated parameter", "/page?a=1&a=2"),
    get("array", "/page?a[]=1&a[]=2&b[x][y]=3"),
    get("encoded array", "/page?a%5B%5D=1&a%5B%5D=2&b%5Bx%5D=3"),
    get("plus and %20", "/page?q=a+b%20c%2Bd"),
    get("encoded unicode", "/page?q=%E4%BD%A0%E5%A5%BD&%C3%BC=%F0%9F%8E%88"),
    get("raw unicode", "/page?q=ü",
        differs={"server.QUERY_STRING": UNENCODED, "server.REQUEST_URI": UNENCODED}),
    get("bytes that are no UTF-8", "/page?q=%FF%C3"),
    get("empty names and values", "/page?a=&b&=c&&d=1"),
    get("equals and question marks", "/page?a=b=c?d&url=https://x.example/?y=1"),
    get("dots and spaces in names", "/page?a.b=1&c%20d=2"),
    get("percent signs", "/page?p=100%25&q=%2525&r=%zz"),
    get("semicolons and quotes", "/page?a=1;b=2&c='x'&d=\"y\""),
    get("7 KB of query", "/page?q=" + "x" * 7000),
    get("300 parameters", "/page?" + "&".join(f"p{i}={i}" for i in range(300))),
]  # fmt: skip

PATHS = [
    get("front page", "/"),
    get("front page with a query", "/?a=1"),
    get("path", "/a/b/c"),
    get("trailing slash", "/a/b/"),
    get("double slash", "/a//b"),
    get("double slash at the start", "//a"),
    get("dot segments", "/a/./b/../c"),
    get("encoded space", "/a%20b"),
    get("encoded unicode path", "/gr%C3%BC%C3%9Fe/%E4%BD%A0"),
    get("raw unicode path", "/grüße", differs=PATH),
    get("plus", "/a+b"),
    get("encoded plus", "/a%2Bb", differs=PATH),
    get("encoded slash", "/a%2Fb", differs={"server.REQUEST_URI": SLASH, "url": SLASH}),
    get("encoded percent sign", "/100%25"),
    get("encoded hash", "/a%23b"),
    get("encoded question mark", "/a%3Fb=1",
        differs={"server.REQUEST_URI": ENDED, "url": ENDED, "path": ENDED}),
    get("encoded twice", "/a%2520b"),
    get("no escape after an encoded percent sign", "/50%25ab"),
    get("encoded brackets and quotes", "/%5Ba%5D/%22b%22/%7Bc%7D/%7Cd"),
    get("raw brackets", "/[a]/{b}|c", differs=PATH),
    get("lower-case escapes", "/%c3%bc", differs=PATH),
    get("sub-delimiters", "/~u/(x);v=1,2@3:4!$&'*"),
    get("script of another name", "/any/thing.php"),
    get("front controller", "/index.php"),
    get("front controller with a query", "/index.php?a=1"),
    get("front controller and a path", "/index.php/a/b", differs=PATH_INFO),
    get("name like the front controller's", "/index.phpx"),
    get("dot file", "/.env"),
    get("static name", "/favicon.ico"),
]  # fmt: skip

METHODS = [
    send("POST", "POST", "/page", JSON, body='{"a": 1}'),
    send("PUT", "PUT", "/page", JSON, body='{"a": 1}'),
    send("PATCH", "PATCH", "/page", FORM, body="a=1"),
    send("DELETE", "DELETE", "/page"),
    send("DELETE with a body", "DELETE", "/page", JSON, body='{"ids": [1, 2]}'),
    send("GET with a body", "GET", "/page", JSON, body='{"a": 1}'),
    send("OPTIONS", "OPTIONS", "/page", "Origin: https://x.example",
         "Access-Control-Request-Method: PUT"),
    send("OPTIONS by Laravel", "OPTIONS", "/only/get"),
    send("HEAD", "HEAD", "/json"),
    send("HEAD with a length", "HEAD", "/length"),
    send("HEAD of a download", "HEAD", "/download"),
    send("HEAD of a redirect", "HEAD", "/to/302", status=302),
    send("HEAD of a missing page", "HEAD", "/only/nothing", status=404),
    send("method in the form", "POST", "/page", FORM, body="_method=PUT&a=1"),
    send("method in a header", "POST", "/page", "X-HTTP-Method-Override: PATCH", FORM, body="a=1"),
]  # fmt: skip

HEADERS = [
    get("usual headers", "/page", "User-Agent: Mozilla/5.0 (X11; Linux)", "Accept: text/html,*/*",
        "Accept-Language: de, en;q=0.5", "Accept-Encoding: gzip, deflate, br", "DNT: 1"),
    get("header in odd case", "/page", "x-LOWER-Upper: Kept"),
    get("empty header", "/page", "X-Empty:"),
    get("spaces around a value", "/page", "X-Spaces:   inner  spaces   "),
    get("commas, colons, quotes", "/page", "X-Odd: a, b: \"c\"; d='e' \\ <f>"),
    get("UTF-8 in a header", "/page", "X-Name: Grüße 世界"),
    get("7 KB of header", "/page", "X-Long: " + "v" * 7000),
    get("fifty headers", "/page", *(f"X-H{i}: {i}" for i in range(50))),
    get("digits in a name", "/page", "X-1-2: three"),
    get("host with a port", "/page", "Host: api.example:8443", differs={"server.SERVER_PORT":
        "nginx's own port; API Gateway's is always 443, and a local AWS tells its own so"}),
    get("host in capitals", "/page", "Host: API.Example"),
    get("another host", "/page", "Host: www.else.example", differs={"server.SERVER_NAME":
        "nginx names the server block that took it; the runtime has none, and names the host"}),
    get("forwarded by the visitor", "/page", "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http"),
    get("repeated header", "/page", "X-Two: a", "X-Two: b", differs={"server.HTTP_X_TWO": JOINED}),
    get("underscore in a name", "/page", "X_Forwarded_For: evil", "X_Own: evil"),
    get("dot in a name", "/page", "X.Dotted: dropped"),
    get("Proxy", "/page", "Proxy: http://evil.example"),
    get("Basic credentials", "/page", "Authorization: Basic dXNlcjpwYTpzcw=="),
    get("Bearer token", "/page", "Authorization: Bearer abc.def-ghi_jkl"),
    get("Digest credentials", "/page", 'Authorization: Digest username="u", realm="r"'),
    get("X-Requested-With", "/page", "X-Requested-With: XMLHttpRequest", AJAX),
    get("Referer and Origin", "/page", "Referer: https://x.example/ü?a=1", "Origin: null"),
    get("foreign Content-Type of a GET", "/page", "Content-Type: text/plain"),
    get("conditional headers", "/page", 'If-None-Match: W/"a", "b"', "If-Modified-Since: Sun"),
]  # fmt: skip

COOKIES = [
    get("cookie", "/page", "Cookie: a=1"),
    get("cookies", "/page", "Cookie: a=1; b=x%3Dy; empty=; c[]=1; c[]=2"),
    get("odd cookies", "/page", 'Cookie: q="a b"; json={"x":1}; =nameless; flag'),
    get("repeated cookie", "/page", "Cookie: a=1; a=2"),
    get("4 KB cookie", "/page", "Cookie: big=" + "c" * 4000),
]  # fmt: skip

BODIES = [
    send("JSON", "POST", "/page", JSON, body='{"name": "Ünï \\"q\\"", "list": [1, 2]}\n'),
    send("JSON with a charset", "POST", "/page", f"{JSON}; charset=utf-8", body='{"a": "ü"}'),
    send("JSON that is none", "POST", "/page", JSON, body='{"a": '),
    send("XML", "POST", "/page", "Content-Type: application/xml", body="<a>ü</a>"),
    send("form", "POST", "/page", FORM, body="a=1&b[]=x&b[]=%C3%BC&c=+d+&e="),
    send("form with a charset", "POST", "/page", f"{FORM}; charset=UTF-8", body="a=ü"),
    send("form of 1,500 fields", "POST", "/page", FORM,
         body="&".join(f"f{i}={i}" for i in range(1500))),
    send("no content type", "POST", "/page", body=b"\x00raw\xff"),
    send("Latin-1 text", "POST", "/page", "Content-Type: text/plain; charset=iso-8859-1",
         body="grüße".encode("latin-1")),
    send("all byte values", "PUT", "/page", BINARY, body=ALL_BYTES),
    send("5 MB of text", "POST", "/page", "Content-Type: text/plain", body=b"t" * 5 * MB),
    send("4 MB of bytes", "POST", "/page", BINARY, body=ALL_BYTES * (4 * MB // 256)),
    send("body that nobody reads", "POST", "/answer?answer=e30=", BINARY, body=ALL_BYTES * 8192),
    send("empty POST", "POST", "/page", "Content-Length: 0", differs={
        "server.CONTENT_LENGTH": EMPTY, "server.HTTP_CONTENT_LENGTH": EMPTY,
        "server.CONTENT_TYPE": EMPTY, "server.HTTP_CONTENT_TYPE": EMPTY}),
    send("empty form", "POST", "/page", FORM, "Content-Length: 0", differs={
        "server.CONTENT_LENGTH": EMPTY, "server.HTTP_CONTENT_LENGTH": EMPTY}),
    send("POST without a length", "POST", "/page"),
    send("chunks", "POST", "/page", JSON, "Transfer-Encoding: chunked",
         body=chunks(b'{"a"', b": 1}"),
         differs={"server.HTTP_TRANSFER_ENCODING": CHUNKED, "server.HTTP_CONTENT_LENGTH": CHUNKED}),
    send("fields and a file", "POST", "/page", MULTIPART, body=part("title", "ü".encode())
         + part("file", ALL_BYTES, file="pü.bin", media="image/png") + END),
    send("several files", "POST", "/page", MULTIPART, body=part("f[]", b"1", file="1.txt")
         + part("f[]", b"22", file="2.txt", media="text/plain") + part("g", b"", file="e") + END),
    send("named files and fields", "POST", "/page", MULTIPART, body=part("a[x]", b"1")
         + part("a[y][]", b"2") + part("f[x]", b"3", file="x.txt", media="text/plain") + END),
    send("file that was not chosen", "POST", "/page", MULTIPART, body=part("a", b"1")
         + part("f", b"", file='"; x="').replace(b'"; x="', b"") + END),
    send("more files than PHP takes", "POST", "/page", MULTIPART, body=b"".join(
        part("f[]", b"x", file=f"{i}.txt") for i in range(25)) + END),
    send("3 MB file", "POST", "/page", MULTIPART,
         body=part("f", ALL_BYTES * (3 * MB // 256), file="big.bin", media=BINARY[14:]) + END),
    send("multipart that is cut", "POST", "/page", MULTIPART, body=part("a", b"1") + b"--B\r\nCo"),
]  # fmt: skip

STATUSES = [
    wish("200 without a body", 200),
    wish("201", 201, "Location: /things/7", body=b"made"),
    wish("204", 204),
    wish("204 with a body", 204, body=b"too much"),
    wish("301", 301, "Location: https://else.example/"),
    wish("303", 303, "Location: /here"),
    wish("304", 304, 'ETag: "x"'),
    wish("304 with a body", 304, body=b"too much"),
    wish("307", 307, "Location: //else.example/x?y=%20z"),
    wish("400", 400, body=b"bad"),
    wish("401", 401, 'WWW-Authenticate: Basic realm="a b", charset="UTF-8"', body=b"who?"),
    wish("418", 418, body=b"teapot"),
    wish("429", 429, "Retry-After: 30", body=b"slow"),
    wish("499", 499, body=b"unassigned"),
    wish("500", 500, body=b"broken"),
    wish("503", 503, "Retry-After: 60", body=b"away"),
    get("own reason", "/reason", status=404),
]

ANSWERS = [
    get("text page", "/buffered"),
    get("JSON page", "/json"),
    get("JSONP", "/jsonp?callback=go"),
    get("page with a length", "/length"),
    get("compressed by the application", "/gzip", "Accept-Encoding: gzip"),
    get("streamed", "/stream"),
    get("streamed in 200 pieces", "/chunked",
        differs={"header x-accel-buffering": "for nginx, which takes it off; harmless elsewhere"}),
    get("download", "/download"),
    get("inline file", "/inline"),
    get("range", "/inline", "Range: bytes=10-19", status=206),
    get("range from the end", "/inline", "Range: bytes=-5", status=206),
    get("range that cannot be", "/inline", "Range: bytes=999999-"),
    get("ETag", "/etag"),
    get("ETag that matches", "/etag", 'If-None-Match: "v1"', status=304),
    get("not modified since", "/etag",
        "If-Modified-Since: Sun, 01 Nov 2026 10:00:00 GMT", status=304),
    wish("all byte values back", 200, "Content-Type: application/octet-stream", body=ALL_BYTES),
    wish("Latin-1 page", 200, "Content-Type: text/html; charset=iso-8859-1", body=b"gr\xfc\xdfe"),
    wish("binary as text", 200, "Content-Type: text/plain", body=b"\x00\x01\xff"),
    wish("own content type", 200, "Content-Type: application/vnd.api+json", body=b"{}"),
    wish("type of an empty answer", 200, "Content-Type: image/png"),
    wish("lines in a body", body=b"a\r\n\r\nb\n\nStatus: 500\r\n"),
    wish("several cookies out", 200, "Set-Cookie: a=1; Path=/; HttpOnly", "Set-Cookie: b=2",
         "Set-Cookie: c=3; Expires=Wed, 21 Oct 2026 07:28:00 GMT; SameSite=Lax"),
    wish("repeated header out", 200, "X-Two: a", "X-Two: b", "Vary: Accept", "Vary: Origin"),
    wish("commas, colons, quotes out", 200, "X-Odd: a, b: \"c\"; d='e' \\ <f>", "X-Time: 10:20:30"),
    wish("UTF-8 header out", 200, "X-Name: Grüße 世界"),
    get("Latin-1 header out", "/latin",
        differs={"header x-name": "a function answers in JSON: no bytes but UTF-8"}),
    wish("empty header out", 200, "X-Empty: "),
    wish("header in odd case out", 200, "x-LOWER-Upper: Kept"),
    wish("7 KB header out", 200, "Content-Security-Policy: " + "x " * 1800),
    wish("HEAD of a printed page", 200, "X-A: 1", body=b"not sent", method="HEAD"),
    get("two megabytes", f"/big/{2 * MB}"),
    get("just below 6 MB", f"/big/{6 * MB - 2000}"),
    get("just above 6 MB", f"/big/{6 * MB + 1}", differs=dict.fromkeys(
        ("status", "body", "header cache-control"), TOO_LARGE)),
]  # fmt: skip

LARAVEL = [
    get("404 page", "/only/nothing", status=404),
    get("404 as JSON", "/only/nothing", AJAX, status=404),
    send("405 page", "POST", "/only/get", status=405),
    send("405 as JSON", "POST", "/only/get", AJAX, status=405),
    get("403 page", "/abort/403", status=403),
    get("419 page", "/abort/419", status=419),
    get("503 page", "/maintenance", status=503),
    get("500 page", "/throw/pears", status=500),
    get("500 as JSON", "/throw/pears", AJAX, status=500),
    get("notice that is only logged", "/notice"),
    get("redirect", "/to/302", status=302),
    get("permanent redirect", "/to/301", status=301),
    get("redirect away", "/away", status=302),
    get("redirect back", "/back", "Referer: https://api.example/from?x=1", status=302),
    get("redirect back to nowhere", "/back", status=302),
    send(
        "validation error as JSON",
        "POST",
        "/validated",
        JSON,
        AJAX,
        body='{"list": ["x"]}',
        status=422,
    ),
    send(
        "validation error of a form",
        "POST",
        "/validated",
        FORM,
        AJAX,
        body="name=toolong",
        status=422,
    ),
    send("valid form", "POST", "/validated", FORM, AJAX, body="name=Ada&list[]=1"),
]

CASES = [*QUERIES, *PATHS, *METHODS, *HEADERS, *COOKIES, *BODIES, *STATUSES, *ANSWERS, *LARAVEL]
