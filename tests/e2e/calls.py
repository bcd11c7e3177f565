"""What a request to AWS is, read off the wire: its service, its operation, and what it is about.

The service is in the signature's scope, the operation where the service's protocol has it: in a
header, a form, or method and path. A registry's requests come from the Docker Engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote

SCOPE: Final = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request")
BUILD_ID: Final = re.compile(r"b\d{8}T\d{6}Z-[0-9a-f]{8}")
FORM: Final = "application/x-www-form-urlencoded"
REGISTRY: Final = "registry"

_LAMBDA: Final = (
    ("GET", r"functions/([^/]+)/aliases/[^/]+", "GetAlias"),
    ("PUT", r"functions/([^/]+)/aliases/[^/]+", "UpdateAlias"),
    ("POST", r"functions/([^/]+)/versions", "PublishVersion"),
    ("POST", r"functions/([^/]+)/invocations", "Invoke"),
    ("GET", r"functions/([^/]+)", "GetFunction"),
    ("GET", r"account-settings", "GetAccountSettings"),
)
_S3_BY_QUERY: Final = (
    ("POST", "uploads", "CreateMultipartUpload"),
    ("PUT", "partNumber", "UploadPart"),
    ("POST", "uploadId", "CompleteMultipartUpload"),
    ("DELETE", "uploadId", "AbortMultipartUpload"),
)
_S3_BY_METHOD: Final = {
    "GET": ("GetObject", "ListObjectsV2"),
    "PUT": ("PutObject", "CreateBucket"),
    "HEAD": ("HeadObject", "HeadBucket"),
    "DELETE": ("DeleteObject", "DeleteBucket"),
}
_REGISTRY: Final = (
    ("GET", r"", "Ping"),
    ("HEAD", r".+/blobs/[^/]+", "HasBlob"),
    ("POST", r".+/blobs/uploads/?", "BeginBlob"),
    ("PATCH", r".+/blobs/uploads/.+", "SendBlob"),
    ("PUT", r".+/blobs/uploads/.+", "EndBlob"),
    ("PUT", r".+/manifests/.+", "PutManifest"),
)


class Request(NamedTuple):
    """A request as it is on the wire. `form`: its body, where that is one."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    form: str = ""


@dataclass(frozen=True)
class Call:
    """The `number`-th call of a run; the `occurrence`-th of this operation on this subject."""

    service: str
    operation: str
    subject: str
    number: int = 0
    occurrence: int = 0

    @property
    def kind(self) -> str:
        """The operation, and which of its uses: a lock is not an asset."""
        uses = (
            ("hover/lock", "lock"),
            ("hover/activation", "activation"),
            ("hover/", "record"),
            ("BUILD/", "asset"),
        )
        use = next((use for word, use in uses if word in self.subject), "")
        if self.operation == "Invoke":
            use = self.subject.rpartition("-")[2]
        return f"{self.service} {self.operation} {use}".strip()

    def __str__(self) -> str:
        return f"{self.service} {self.operation} {self.subject} #{self.occurrence}"


def read(request: Request) -> Call:
    """Which call it is, not yet numbered. Build ids in its subject are all called BUILD."""
    signed = SCOPE.search(request.headers.get("Authorization", ""))
    service = signed[1] if signed else REGISTRY
    target = request.headers.get("X-Amz-Target", "")
    form = {name: texts[0] for name, texts in parse_qs(request.form).items()}
    if target:
        operation, subject = target.rpartition(".")[2], ""
    elif "Action" in form:
        operation, subject = form["Action"], form.get("StackName", form.get("QueueName", ""))
    elif service == "lambda":
        operation, subject = _by_path(_LAMBDA, request, r"/\d{4}-\d\d-\d\d/")
    elif service == "s3":
        operation, subject = _s3(request)
    else:
        operation, subject = _by_path(_REGISTRY, request, r"/v2/")
    return Call(service, operation, BUILD_ID.sub("BUILD", subject.split("stack/")[-1]))


def _by_path(
    patterns: tuple[tuple[str, str, str], ...], request: Request, prefix: str
) -> tuple[str, str]:
    path = unquote(request.path)
    for method, pattern, operation in patterns:
        found = re.fullmatch(prefix + pattern, path)
        if found and method == request.method:
            return operation, found[1] if found.groups() else ""
    return request.method, path


def _s3(request: Request) -> tuple[str, str]:
    _, _, key = unquote(request.path).lstrip("/").partition("/")
    query = parse_qs(request.query, keep_blank_values=True)
    for method, word, operation in _S3_BY_QUERY:
        if method == request.method and word in query:
            part = f" {query['partNumber'][0]}" if operation == "UploadPart" else ""
            return operation, key + part
    if "x-amz-copy-source" in request.headers:
        return "CopyObject", key
    settings = [word for word, texts in query.items() if texts == [""] and word != "prefix"]
    if settings and not key:
        return f"{request.method.title()}Bucket:{settings[0]}", ""
    of_object, of_bucket = _S3_BY_METHOD[request.method]
    return (of_object, key) if key else (of_bucket, query.get("prefix", [""])[0])
