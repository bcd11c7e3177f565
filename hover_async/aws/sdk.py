"""The SDK as we have it: whose session, over which sockets, and without what it does in vain.

A call of the SDK takes some 0.6 ms of CPU, and a deploy of 300 functions makes thousands of them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import aioboto3
import aiobotocore
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import BotoCoreError
from botocore.utils import parse_timestamp

from hover_async.aws.errors import translate
from hover_async.aws.redaction import quieten_the_sdk
from hover_async.version import __version__

USER_AGENT = f"hover-async/{__version__} aiobotocore/{aiobotocore.__version__}"
"""Given whole: the SDK composes its own twice for each request, in a tenth of a call's time."""
KEEP_ALIVE_AFTER_S = 30
"""NAT gateways forget a silent connection after 350 s; a command may be silent for 900."""


def new_session(region: str, profile: str | None, endpoint_url: str | None) -> aioboto3.Session:
    """With the user's credentials; with any at all where a local AWS is asked and none are set."""
    quieten_the_sdk()
    anybody = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    given = profile or os.environ.get("AWS_ACCESS_KEY_ID") or not endpoint_url
    try:
        session = aioboto3.Session(
            region_name=region, profile_name=profile, **({} if given else anybody)
        )
    except BotoCoreError as error:
        raise translate(error, "finding credentials", "") from error
    parsers = session._session.get_component("response_parser_factory")  # noqa: SLF001 - aioboto3 publishes no way to it
    parsers.set_parser_defaults(timestamp_parser=timestamp)
    return session


def timestamp(value: Any) -> datetime:
    """What the SDK makes of it, at once where it is written as AWS mostly does (ISO 8601)."""
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            if read.tzinfo:
                return read
    parsed: datetime = parse_timestamp(value)
    return parsed


def kept_alive(
    *args: Any, connector_args: Mapping[str, Any] | None = None, **options: Any
) -> AIOHTTPSession:
    """aiobotocore's HTTP session, with the keep-alive sockets that it does not pass on itself."""
    sockets = {"socket_factory": _open_socket}
    return AIOHTTPSession(*args, connector_args={**(connector_args or {}), **sockets}, **options)


def _open_socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    opened = socket.socket(family, kind, protocol)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):  # Linux's names; others keep their defaults
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), KEEP_ALIVE_AFTER_S)
    return opened
