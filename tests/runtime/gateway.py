"""What API Gateway's HTTP API makes of a request, and of a function's answer.

[1] https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
[2] https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
[3] https://github.com/aws/aws-lambda-dotnet/pull/1901, AWS's own emulator, compared with a live API
[4] https://github.com/ministackorg/ministack/pull/766, measured on a live API
[5] https://github.com/floci-io/floci/issues/2172, the same, with charsets
[6] https://github.com/middleapi/standard-server/pull/93, of captures of live APIs
[7] MiniStack 1.5.33, the local AWS of hover-async (services/apigateway.py)

Both formats [1]:
- header names are in lower case;
- the path is decoded [3] [6], all but %25 [7], and ends at a decoded `?` [6]; `//`, dot segments
  and a trailing slash are handed on as they are (nothing else is documented or reported, and
  CloudFront, before it, hands on the raw path);
- a body is text for text/*, JSON, XML and JavaScript in UTF-8, and base64 for everything else,
  forms and no content type included [4] [5];
- X-Forwarded-For, -Port, -Proto and X-Amzn-Trace-Id are added, Content-Length is always there [3];
- an empty body with `Content-Length: 0` gets a Content-Type [2], text/plain [3];
- hop-by-hop headers stay with the gateway.

Format 2.0 [1]: repeated headers are joined by commas; cookies are a list, apart from the headers;
`rawQueryString` is the visitor's, with what may not stand in a URL encoded [3].
Format 1.0 [1]: `multiValueHeaders` and `multiValueQueryStringParameters`, the latter decoded.

Of an answer [1]: a status, headers, `cookies` as one Set-Cookie each (2.0) or `multiValueHeaders`
(1.0), and a body in base64 if it says so. Content-Length is the gateway's own.
"""

import base64
import re
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qsl, quote

from tests.runtime.visits import HOST, Answer, Request, parse

HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
TEXT = {"application/json", "application/javascript", "application/xml"}
ESCAPE = re.compile(rb"%(?!25)([0-9A-Fa-f]{2})")
ADDRESS = "127.0.0.1"


def event(raw: bytes, port: int, version: int) -> dict[str, Any]:
    """The event of a request that came from this machine to a port, over TLS."""
    request = parse(raw)
    return _second(request, port) if version == 2 else _first(request, port)


def answer(reply: dict[str, Any], version: int, method: str) -> Answer:
    """What the visitor gets of a function's answer."""
    if version == 2:
        headers = [*reply["headers"].items(), *(("set-cookie", c) for c in reply["cookies"])]
    else:
        headers = [(name, v) for name, vs in reply["multiValueHeaders"].items() for v in vs]
    body = reply["body"].encode()
    body = base64.b64decode(body) if reply["isBase64Encoded"] else body
    if method != "HEAD":
        headers = [(name, value) for name, value in headers if name != "content-length"]
        headers.append(("content-length", str(len(body))))
    return Answer(reply["statusCode"], headers, body)


def _second(request: Request, port: int) -> dict[str, Any]:
    path, query = _target(request)
    headers = _headers(request, port)
    cookies = [c.strip() for value in headers.pop("cookie", []) for c in value.split(";")]
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": quote(query, safe="!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\""),
        **({"cookies": cookies} if cookies else {}),
        "headers": {name: ",".join(values) for name, values in headers.items()},
        **_parameters({name: ",".join(values) for name, values in _pairs(query).items()}),
        "requestContext": {
            "domainName": HOST,
            "stage": "$default",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.protocol,
                "sourceIp": ADDRESS,
                "userAgent": request.header("user-agent"),
            },
        },
        **_body(request),
    }


def _first(request: Request, port: int) -> dict[str, Any]:
    path, query = _target(request)
    headers = _headers(request, port)
    pairs = _pairs(query)
    return {
        "version": "1.0",
        "resource": "$default",
        "path": path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        **_parameters({name: values[-1] for name, values in pairs.items()}),
        "multiValueQueryStringParameters": pairs or None,
        "requestContext": {
            "domainName": HOST,
            "stage": "$default",
            "httpMethod": request.method,
            "path": path,
            "protocol": request.protocol,
            "identity": {"sourceIp": ADDRESS, "userAgent": request.header("user-agent")},
        },
        **_body(request),
    }


def _target(request: Request) -> tuple[str, str]:
    path, _, query = request.target.partition("?")
    decoded = ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), path.encode())
    return decoded.decode(errors="replace").partition("?")[0], query


def _headers(request: Request, port: int) -> dict[str, list[str]]:
    headers = defaultdict(list)
    for name, value in request.headers:
        if name.lower() not in HOP_BY_HOP:
            headers[name.lower()].append(value)
    headers["x-forwarded-for"] = [", ".join([*headers["x-forwarded-for"], ADDRESS])]
    headers["x-forwarded-port"] = [str(port)]
    headers["x-forwarded-proto"] = ["https"]
    headers["x-amzn-trace-id"] = ["Root=1-67891233-abcdef012345678912345678"]
    if not request.body and "content-length" in headers:
        headers.setdefault("content-type", ["text/plain; charset=utf-8"])
    headers["content-length"] = [str(len(request.body))]
    return dict(headers)


def _pairs(query: str) -> dict[str, list[str]]:
    pairs = defaultdict(list)
    for name, value in parse_qsl(query, keep_blank_values=True):
        pairs[name].append(value)
    return dict(pairs)


def _parameters(single: dict[str, str]) -> dict[str, Any]:
    return {"queryStringParameters": single or None}


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {"body": None, "isBase64Encoded": False}
    media, _, parameters = request.header("content-type").lower().replace(" ", "").partition(";")
    if (media.startswith("text/") or media in TEXT) and parameters in {"", "charset=utf-8"}:
        return {"body": request.body.decode(), "isBase64Encoded": False}
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}
