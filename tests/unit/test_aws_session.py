"""Opening a session before AWS has been asked anything."""

from __future__ import annotations

import traceback
from pathlib import Path

import anyio
import pytest

from hover_async.aws.session import open_keys
from hover_async.errors import CredentialsError

NOBODY = "http://127.0.0.1:9"
CUT = '{"Version": 1, "SecretAccessKey": "c4n4ry"'


def test_a_credential_process_that_prints_no_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as a matter of the credentials, and what it printed is nowhere in the error."""
    (tmp_path / "printed").write_text(CUT)
    (tmp_path / "config").write_text(
        f"[profile shop]\ncredential_process = cat {tmp_path}/printed\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")

    async def opened() -> None:
        async with open_keys(region="us-east-1", profile="shop", endpoint_url=NOBODY, tags={}):
            pass

    with pytest.raises(CredentialsError, match="is no JSON") as caught:
        anyio.run(opened)
    assert caught.value.__cause__
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value.__cause__))
    assert "c4n4ry" not in shown
