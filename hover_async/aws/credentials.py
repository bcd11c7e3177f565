"""The session's credentials for requests that the SDK does not sign, and what is wrong with them.

botocore has no class for some of that: credentials that are expired when they are fresh end in a
RuntimeError, and such without an access key in whatever the signer then trips over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import ClientError as ConnectionBroken
from anyio import Lock
from botocore.exceptions import BotoCoreError, ClientError

from hover_async.aws.errors import LOGIN, translate
from hover_async.aws.signing import Key
from hover_async.errors import CredentialsError

if TYPE_CHECKING:
    import aioboto3

UNTYPED = (RuntimeError, TypeError, ValueError, KeyError, OSError, ConnectionBroken)
"""What botocore lets out of a provider besides its own errors."""
STILL_EXPIRED = "Credentials were refreshed, but the refreshed credentials are still expired"
"""RefreshableCredentials of botocore/credentials.py."""
NOTHING_TO_SIGN_WITH = "expected str instance, NoneType found"
"""SigV4Auth of botocore/auth.py, which joins the access key to its scope."""


class SessionCredentials:
    """The session's, which refresh themselves before they end."""

    def __init__(self, session: aioboto3.Session) -> None:
        self._session = session._session  # noqa: SLF001 - aioboto3 publishes no way to it
        self._found: Any = None
        self._searching = Lock()
        self._searches = 0

    async def key(self, expired: Key | None) -> Key:
        """The key as it is now; where that is `expired`, they are looked for anew.

        That is where the SDK looks: a file may be newer. Who asks while another looks takes what
        is found. Raises `CredentialsError`, and what else AWS says to a refresh.
        """
        if expired is None:
            return await self._key()
        before = self._searches
        async with self._searching:
            if self._searches == before and await self._key() == expired:
                await self._search()
                self._searches += 1
            return await self._key()

    async def _search(self) -> None:
        try:
            providers = self._session.get_component("credential_provider")
            self._found = await providers.load_credentials()
        except BotoCoreError as error:
            raise translate(error, "looking for credentials", "") from error
        except UNTYPED as error:
            raise unusable(error, "looking for credentials") from error

    async def _key(self) -> Key:
        try:
            found = self._found or await self._session.get_credentials()
            frozen = await found.get_frozen_credentials() if found else None
        except (BotoCoreError, ClientError) as error:
            raise translate(error, "refreshing credentials", "") from error
        except UNTYPED as error:
            raise unusable(error, "refreshing credentials") from error
        if not (frozen and frozen.access_key and frozen.secret_key):
            raise CredentialsError("there are no whole credentials any more", hint=LOGIN)
        return Key(frozen.access_key, frozen.secret_key, frozen.token)


def is_unusable(error: Exception) -> bool:
    """Whether botocore's signer failed over the credentials that it was given."""
    return STILL_EXPIRED in str(error) or NOTHING_TO_SIGN_WITH in str(error)


def unusable(error: Exception, operation: str, subject: str = "") -> CredentialsError:
    """Our error for one of `UNTYPED` that came of looking for credentials, or of signing."""
    what = f"{operation} of {subject}" if subject else operation
    found = "they have expired already" if STILL_EXPIRED in str(error) else type(error).__name__
    return CredentialsError(
        f"{what}: the credentials that were found cannot be used: {found}",
        operation=operation,
        hint=LOGIN,
    )
