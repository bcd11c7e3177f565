"""Where objects are sent without the SDK: the place and its certificates."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aioboto3
from botocore.httpsession import where
from botocore.utils import get_environ_proxies

from hover_async.aws.credentials import SessionCredentials
from hover_async.aws.objects import Objects
from hover_async.aws.wire import Place, open_wire
from hover_async.errors import Rejected


@asynccontextmanager
async def open_objects(
    session: aioboto3.Session, s3_url: str, bucket: str, *, region: str, is_local: bool
) -> AsyncIterator[Objects | None]:
    """S3's frequent calls on connections of their own; None where a proxy is to be used.

    `s3_url` is the endpoint that the SDK has found. `is_local` puts the bucket into the path; so do
    dots in its name, which would fit no certificate of S3's.
    """
    url = urlsplit(s3_url)
    if not is_local and get_environ_proxies(s3_url):
        yield None
        return
    is_by_path, is_tls = is_local or "." in bucket, url.scheme == "https"
    host = url.hostname or ""
    place = Place(
        host if is_by_path else f"{bucket}.{host}",
        url.port or (443 if is_tls else 80),
        _tls(session) if is_tls else None,
    )
    prefix = f"{url.path.rstrip('/')}/{bucket}/" if is_by_path else "/"
    async with open_wire(place) as wire:
        credentials = SessionCredentials(session)
        yield Objects(wire, credentials.key, region=region, prefix=prefix)


def _tls(session: aioboto3.Session) -> ssl.SSLContext:
    """As the SDK verifies: against the bundle that is configured, or its own."""
    configured = session._session.get_config_variable("ca_bundle")  # noqa: SLF001 - aioboto3 publishes no way to it
    bundle = Path(configured or os.environ.get("REQUESTS_CA_BUNDLE") or where())
    try:
        return ssl.create_default_context(
            cafile=None if bundle.is_dir() else str(bundle),
            capath=str(bundle) if bundle.is_dir() else None,
        )
    except OSError as error:
        raise Rejected(
            f"'{bundle}' holds no certificates: {error}",
            hint="AWS_CA_BUNDLE, or ca_bundle of the profile, names a file of certificates",
        ) from error
