"""Encrypting and decrypting a stage's secrets: the real process, with KMS in memory."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio.testing

from hover_async.errors import (
    AccessDenied,
    HoverError,
    NotFound,
    ProjectError,
    Rejected,
    SecretsDamaged,
    SecretsInvalid,
    SecretsMissing,
)
from hover_async.manifest import Manifest
from hover_async.secrets.files import Places
from hover_async.secrets.process import (
    DecryptedSecrets,
    EncryptedSecrets,
    decrypt_stage,
    encrypt_stage,
    read_stage,
)
from hover_async.testing import FakeCloud
from hover_async.values import Secret
from tests.unit.manifests import manifest

pytestmark = pytest.mark.anyio

ALIAS = "alias/shop-dev-secrets"
PLAIN = "A=1\nB='c4n4ry $x #y'\n"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@dataclass
class Desk:
    """A project with a stage `dev`, somebody who works on its secrets, and their KMS."""

    places: Places
    cloud: FakeCloud
    manifest: Manifest

    def write(self, text: str = PLAIN) -> None:
        self.places.plain.write_text(text)

    async def encrypt(self, *, create_key: bool = True) -> EncryptedSecrets:
        return await encrypt_stage(
            self.places, self.manifest, self.cloud.keys, create_key=create_key
        )

    async def decrypt(self, *, overwrite: bool = False) -> DecryptedSecrets:
        return await decrypt_stage(self.places, self.cloud.keys, overwrite=overwrite)

    def files(self) -> dict[str, bytes]:
        directory = self.places.plain.parent
        return {path.name: path.read_bytes() for path in directory.iterdir()}

    async def refused(self, kind: type[HoverError], *, create_key: bool = True) -> HoverError:
        """The error that encrypting ends with; every file is as it was."""
        before = self.files()
        with pytest.raises(kind) as caught:
            await self.encrypt(create_key=create_key)
        assert self.files() == before
        assert "c4n4ry" not in f"{caught.value!r} {caught.value.details()}"
        return caught.value


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / ".hover").mkdir()
    return Desk(Places(tmp_path, "dev"), FakeCloud(), manifest(environment={"A": "2"}))


async def test_there_and_back(desk: Desk) -> None:
    """Encrypting leaves one file, for everybody; decrypting writes the other, for its owner."""
    desk.write()
    done = await desk.encrypt()
    assert (done.names, done.key_created, done.dropped) == (("A", "B"), True, ())
    assert list(desk.files()) == ["dev-secrets.json"]
    assert stat.S_IMODE(done.path.stat().st_mode) == 0o644
    assert await read_stage(desk.places, desk.cloud.keys) == {
        "A": Secret("1"),
        "B": Secret("c4n4ry $x #y"),
    }
    back = await desk.decrypt()
    assert back.names == ("A", "B")
    assert back.path.read_text() == PLAIN
    assert stat.S_IMODE(back.path.stat().st_mode) == 0o600
    assert sorted(desk.files()) == ["dev-secrets.json", "dev-secrets.plain.env"]


async def test_the_key_is_made_once(desk: Desk) -> None:
    """Asked again to make the key, it uses the one that is there, with a new data key."""
    desk.write()
    first = await desk.encrypt()
    sealed = desk.files()
    await desk.decrypt()
    second = await desk.encrypt()
    assert (second.key_id, second.key_created) == (first.key_id, False)
    assert desk.cloud.world.about("keys.create") == [ALIAS]
    assert desk.files() != sealed


async def test_no_key_yet(desk: Desk) -> None:
    """Without --create-key nothing is made, and the hint names it and the alias."""
    desk.write()
    error = await desk.refused(NotFound, create_key=False)
    assert "--create-key" in str(error.hint)
    assert ALIAS in str(error.hint)
    assert desk.cloud.keys.arns == []


async def test_a_key_that_is_named_by_id_is_never_made(desk: Desk) -> None:
    """Only an alias can be made to exist."""
    desk.write()
    arn = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    auth = {**manifest().as_written["auth"], "secrets-key": arn}
    desk.manifest = manifest(auth=auth)
    error = await desk.refused(NotFound)
    assert "auth.secrets-key" in str(error.hint)
    assert desk.cloud.keys.arns == []


async def test_two_who_make_the_key_at_once(desk: Desk) -> None:
    """Whoever comes second uses the first one's key."""
    desk.write()
    theirs = await desk.cloud.keys.create(ALIAS)
    desk.cloud.world.fail("keys.generate", lambda: NotFound("not yet"))
    done = await desk.encrypt()
    assert (done.key_id, done.key_created) == (theirs, False)


@pytest.mark.parametrize("call", ["keys.generate", "keys.unwrap"])
async def test_kms_refuses(desk: Desk, call: str) -> None:
    """Who may not generate, or not decrypt, keeps the plain file and the encrypted one."""
    desk.write()
    await desk.encrypt()
    await desk.decrypt()
    desk.cloud.world.fail(call, lambda: AccessDenied("no"), times=9)
    await desk.refused(AccessDenied)


async def test_a_disabled_key(desk: Desk) -> None:
    """It neither encrypts nor decrypts."""
    desk.write()
    done = await desk.encrypt()
    desk.cloud.keys.disabled.add(done.key_id)
    with pytest.raises(Rejected):
        await desk.decrypt()
    desk.write()
    await desk.refused(Rejected)


async def test_a_kms_that_unwraps_something_else(desk: Desk) -> None:
    """What does not open again takes nobody's place."""
    desk.write()

    class Forgetful(type(desk.cloud.keys)):  # type: ignore[misc]
        async def unwrap(self, *_: object) -> bytes:
            return bytes(32)

    desk.cloud.keys = Forgetful(desk.cloud.world)
    await desk.refused(SecretsDamaged)


async def test_wrong_lines_are_told_without_asking_kms(desk: Desk) -> None:
    """A file that does not parse, and none at all, are no matter for AWS."""
    await desk.refused(SecretsMissing)
    desk.write("A=1\nc4n4ry\n")
    await desk.refused(SecretsInvalid)
    assert desk.cloud.world.calls == []


async def test_a_plain_file_that_changes_meanwhile_stays(desk: Desk) -> None:
    """What was added while it was encrypted is not lost."""
    desk.write()

    class Slow(type(desk.cloud.keys)):  # type: ignore[misc]
        async def generate(self, *asked: object) -> object:
            desk.write(f"{PLAIN}C=3\n")
            return await super().generate(*asked)

    desk.cloud.keys = Slow(desk.cloud.world)
    with pytest.raises(ProjectError, match="was changed while"):
        await desk.encrypt()
    assert desk.places.plain.read_text() == f"{PLAIN}C=3\n"
    await desk.encrypt(create_key=False)
    assert list(desk.files()) == ["dev-secrets.json"]


async def test_dropped_secrets_are_named(desk: Desk) -> None:
    """A file that forgets a secret takes it away, and says which; one that opened never, not."""
    desk.write()
    await desk.encrypt()
    desk.write("B=2\n")
    assert (await desk.encrypt()).dropped == ("A",)
    desk.places.sealed.write_text("{}")
    desk.write()
    assert (await desk.encrypt()).dropped == ()


async def test_a_plain_file_is_not_overwritten(desk: Desk) -> None:
    """Unless it is asked for."""
    desk.write()
    await desk.encrypt()
    desk.write("MINE=1\n")
    with pytest.raises(ProjectError, match="exists already"):
        await desk.decrypt()
    assert desk.places.plain.read_text() == "MINE=1\n"
    await desk.decrypt(overwrite=True)
    assert desk.places.plain.read_text() == PLAIN


async def test_another_stages_file_does_not_open(desk: Desk) -> None:
    """A copy is told as one; with its label changed, KMS refuses the key."""
    desk.write()
    await desk.encrypt()
    copied = Places(desk.places.project, "prod")
    text = desk.places.sealed.read_text()
    copied.sealed.write_text(text)
    with pytest.raises(SecretsDamaged, match="of stage 'dev', not of 'prod'"):
        await read_stage(copied, desk.cloud.keys)
    copied.sealed.write_text(text.replace('"dev"', '"prod"'))
    with pytest.raises(Rejected):
        await read_stage(copied, desk.cloud.keys)


async def test_keys_that_a_local_aws_forgot(desk: Desk) -> None:
    """A key that is gone is explained."""
    desk.write()
    await desk.encrypt()
    desk.cloud.keys.arns.clear()
    with pytest.raises(NotFound) as caught:
        await desk.decrypt()
    assert "local AWS" in str(caught.value.hint)


async def test_nothing_to_decrypt(desk: Desk) -> None:
    """A stage without secrets says how it gets some."""
    with pytest.raises(SecretsMissing) as caught:
        await desk.decrypt()
    assert "secrets encrypt dev" in str(caught.value.hint)


async def test_only_a_file_is_a_plain_file(desk: Desk) -> None:
    """A link would be removed and leave the secrets where it leads to; a directory is none."""
    elsewhere = desk.places.project / "mine.env"
    elsewhere.write_text(PLAIN)
    desk.places.plain.symlink_to(elsewhere)
    error = await desk.refused(ProjectError)
    assert "is a link" in str(error)
    assert elsewhere.read_text() == PLAIN
    desk.places.plain.unlink()
    desk.places.plain.mkdir()
    with pytest.raises(ProjectError, match="is not a file"):
        await desk.encrypt()


async def test_a_directory_that_is_gone(desk: Desk) -> None:
    """A place that cannot be written is an error of ours, and leaves nothing behind."""
    desk.write()
    done = await desk.encrypt()
    sealed = done.path.read_bytes()
    done.path.unlink()
    done.path.mkdir()
    (done.path / "x").touch()
    desk.write()
    with pytest.raises(ProjectError, match="cannot be written"):
        await desk.encrypt()
    assert sealed
    names = {path.name for path in done.path.parent.iterdir()}
    assert names == {"dev-secrets.json", "dev-secrets.plain.env"}
