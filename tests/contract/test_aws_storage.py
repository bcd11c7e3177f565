"""What `AssetStore` and `Documents` promise, whoever keeps the promise."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from urllib.parse import unquote

import anyio
import pytest

from hover_async.concurrency import bounded_map
from hover_async.errors import AwsError, Conflict, NotFound
from hover_async.ports import AssetStore, Cloud, Documents, ObjectHeaders, Part
from hover_async.testing import FakeCloud
from tests.contract.conftest import Backend

pytestmark = pytest.mark.anyio

CSS = ObjectHeaders("text/css; charset=utf-8", "public, max-age=31536000, immutable")
MIB = 2**20
HARD_KEYS = [
    "b1/plain.css",
    "b1/a b+c#d?e%f&g'h\"i.css",
    "b1/äöü-\u00e9-e\u0301.css",
    "b1/~tilde(1)!*.css",
    "b1/" + "x" * 1000,
]


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


@pytest.fixture(params=["ministack", "fake"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The real adapters, and the fake that other tests believe."""
    if request.param == "fake":
        return FakeCloud().ports
    backend: Backend = request.getfixturevalue("backend")
    return backend.cloud


@pytest.fixture
async def store(cloud: Cloud) -> AssetStore:
    await cloud.assets.ensure_bucket()
    return cloud.assets


@pytest.fixture
async def documents(cloud: Cloud) -> Documents:
    await cloud.assets.ensure_bucket()
    return cloud.documents


async def test_a_bucket_may_be_ensured_again(store: AssetStore) -> None:
    """Ensuring a bucket that is there keeps it and what is in it."""
    await store.put("b1/a.css", b"a", CSS, sha256=sha256(b"a"))
    await store.ensure_bucket()
    assert await store.keys("") == {"b1/a.css": 1}


async def test_a_bucket_is_missed(cloud: Cloud) -> None:
    """Writing into a bucket that was never made raises NotFound."""
    with pytest.raises(NotFound):
        await cloud.assets.put("a", b"a", CSS, sha256=sha256(b"a"))


@pytest.mark.parametrize("key", HARD_KEYS)
async def test_keys_are_kept_exactly(store: AssetStore, key: str) -> None:
    """Any legal key comes back from a listing as it was written, with its size."""
    await store.put(key, b"abc", CSS, sha256=sha256(b"abc"))
    assert await store.keys("b1/") == {key: 3}
    assert unquote(store.url(key)).endswith("/" + key)


async def test_an_empty_object(store: AssetStore) -> None:
    """An empty file is an object like any other."""
    await store.put("b1/empty", b"", CSS, sha256=sha256(b""))
    assert await store.keys("b1/") == {"b1/empty": 0}


async def test_a_listing_keeps_to_its_prefix(store: AssetStore) -> None:
    """Only keys below the prefix are listed; none at all is no error."""
    await store.put("b1/a", b"a", CSS, sha256=sha256(b"a"))
    await store.put("b10/a", b"a", CSS, sha256=sha256(b"a"))
    assert await store.keys("b1/") == {"b1/a": 1}
    assert await store.keys("b2/") == {}


async def test_a_wrong_checksum_is_refused(store: AssetStore) -> None:
    """A body that is not what its checksum says is refused, and nothing is written."""
    with pytest.raises(AwsError):
        await store.put("b1/a", b"abc", CSS, sha256=sha256(b"other"))
    assert await store.keys("b1/") == {}


async def test_put_replaces(store: AssetStore) -> None:
    """Writing the same key again replaces the object."""
    await store.put("b1/a", b"abc", CSS, sha256=sha256(b"abc"))
    await store.put("b1/a", b"abcd", CSS, sha256=sha256(b"abcd"))
    assert await store.keys("b1/") == {"b1/a": 4}


async def test_copy(store: AssetStore) -> None:
    """A copy is a second object of the same size, hard keys included."""
    await store.put(HARD_KEYS[1], b"abc", CSS, sha256=sha256(b"abc"))
    await store.copy(HARD_KEYS[1], "b2/copy.css", CSS)
    assert await store.keys("b2/") == {"b2/copy.css": 3}


async def test_copy_of_nothing(store: AssetStore) -> None:
    """Copying what is gone raises NotFound."""
    with pytest.raises(NotFound):
        await store.copy("b1/gone", "b2/a", CSS)


async def parts_of(store: AssetStore, key: str, *bodies: bytes) -> tuple[str, list[Part]]:
    upload_id = await store.begin_multipart(key, CSS)
    parts = [
        await store.put_part(key, upload_id, number, body, sha256=sha256(body))
        for number, body in enumerate(bodies, 1)
    ]
    return upload_id, parts


async def test_deleted_objects_are_gone(store: AssetStore) -> None:
    """More than S3 deletes in one request, with hard keys and with one that is not there."""
    keys = [*HARD_KEYS, *(f"b1/{number}" for number in range(1_005))]

    async def put(key: str) -> None:
        await store.put(key, b"a", CSS, sha256=sha256(b"a"))

    await bounded_map(put, [*keys, "b2/kept"], limit=32)
    await store.delete([*keys, "b1/never-there"])
    assert await store.keys("") == {"b2/kept": 1}
    await store.delete([])


async def test_multipart(store: AssetStore) -> None:
    """Parts make one object, in the order of their numbers, only once completed."""
    upload_id, parts = await parts_of(store, "b1/big", b"a" * 5 * MIB, b"z")
    assert await store.keys("b1/") == {}
    await store.complete_multipart("b1/big", upload_id, parts[::-1], size_bytes=5 * MIB + 1)
    assert await store.keys("b1/") == {"b1/big": 5 * MIB + 1}


async def test_completed_twice(store: AssetStore) -> None:
    """Completing again what is complete counts as done."""
    upload_id, parts = await parts_of(store, "b1/big", b"a" * 5 * MIB, b"z")
    for _ in range(2):
        await store.complete_multipart("b1/big", upload_id, parts, size_bytes=5 * MIB + 1)


async def test_a_part_sent_again(store: AssetStore) -> None:
    """Sending a part again replaces it."""
    upload_id, _ = await parts_of(store, "b1/a", b"first")
    part = await store.put_part("b1/a", upload_id, 1, b"again!", sha256=sha256(b"again!"))
    await store.complete_multipart("b1/a", upload_id, [part], size_bytes=6)
    assert await store.keys("b1/") == {"b1/a": 6}


async def test_a_wrong_part_is_refused(store: AssetStore) -> None:
    """A part that is not what its checksum says is refused."""
    upload_id = await store.begin_multipart("b1/a", CSS)
    with pytest.raises(AwsError):
        await store.put_part("b1/a", upload_id, 1, b"abc", sha256=sha256(b"other"))
    await store.abort_multipart("b1/a", upload_id)


async def test_aborted(store: AssetStore) -> None:
    """An aborted upload leaves nothing, cannot be completed, and may be aborted again."""
    upload_id, parts = await parts_of(store, "b1/a", b"abc")
    await store.abort_multipart("b1/a", upload_id)
    await store.abort_multipart("b1/a", upload_id)
    with pytest.raises(NotFound):
        await store.complete_multipart("b1/a", upload_id, parts, size_bytes=3)
    assert await store.keys("b1/") == {}


async def test_an_aborted_upload_is_not_taken_for_an_older_object(store: AssetStore) -> None:
    """Completing an aborted upload fails even if another object of the same size has its key."""
    await store.put("b1/a", b"old", CSS, sha256=sha256(b"old"))
    upload_id, parts = await parts_of(store, "b1/a", b"new")
    await store.abort_multipart("b1/a", upload_id)
    with pytest.raises(NotFound):
        await store.complete_multipart("b1/a", upload_id, parts, size_bytes=3)


async def test_a_document_comes_back(documents: Documents) -> None:
    """A document is read as it was written, with the etag that writing gave."""
    etag = await documents.create("d.json", b'{"a": 1}')
    found = await documents.read("d.json")
    assert found is not None
    assert (found.body, found.etag) == (b'{"a": 1}', etag)


async def test_no_document(documents: Documents) -> None:
    """A document that is not there reads as None."""
    assert await documents.read("d.json") is None


async def test_documents_are_listed_by_prefix(documents: Documents) -> None:
    """Their keys alone, also none."""
    for key in ("hover/releases/b1.json", "hover/releases/b2.json", "hover/live.json"):
        await documents.create(key, b"{}")
    found = await documents.keys("hover/releases/")
    assert sorted(found) == ["hover/releases/b1.json", "hover/releases/b2.json"]
    assert list(await documents.keys("hover/ledgers/")) == []


async def test_create_is_exclusive(documents: Documents) -> None:
    """Another body over a document that exists raises Conflict, and changes nothing."""
    await documents.create("d.json", b"1")
    with pytest.raises(Conflict):
        await documents.create("d.json", b"2")
    found = await documents.read("d.json")
    assert found is not None
    assert found.body == b"1"


async def test_the_same_created_again(documents: Documents) -> None:
    """Creating the very same again counts as done: the first answer may have been lost."""
    etag = await documents.create("d.json", b"1")
    assert await documents.create("d.json", b"1") == etag


async def test_replace(documents: Documents) -> None:
    """Replacing gives a new etag, and the old one no longer serves."""
    old = await documents.create("d.json", b"1")
    new = await documents.replace("d.json", b"2", old)
    assert new != old
    with pytest.raises(Conflict):
        await documents.replace("d.json", b"3", old)
    found = await documents.read("d.json")
    assert found is not None
    assert (found.body, found.etag) == (b"2", new)


async def test_the_same_replaced_again(documents: Documents) -> None:
    """Replacing by the very same again counts as done."""
    old = await documents.create("d.json", b"1")
    new = await documents.replace("d.json", b"2", old)
    assert await documents.replace("d.json", b"2", old) == new


async def test_replace_of_a_deleted_document(documents: Documents) -> None:
    """Replacing what was deleted meanwhile raises Conflict, and does not bring it back."""
    etag = await documents.create("d.json", b"1")
    await documents.delete("d.json", etag)
    with pytest.raises(Conflict):
        await documents.replace("d.json", b"2", etag)
    assert await documents.read("d.json") is None


async def test_delete(documents: Documents) -> None:
    """Deleting takes the etag that is there; gone already counts as done."""
    old = await documents.create("d.json", b"1")
    new = await documents.replace("d.json", b"2", old)
    with pytest.raises(Conflict):
        await documents.delete("d.json", old)
    await documents.delete("d.json", new)
    await documents.delete("d.json", new)
    assert await documents.read("d.json") is None


async def test_one_of_many_creates_wins(documents: Documents) -> None:
    """Of many that create the same document at once, exactly one does."""
    won: list[int] = []

    async def create(number: int) -> None:
        with suppress(Conflict):
            await documents.create("d.json", str(number).encode())
            won.append(number)

    async with anyio.create_task_group() as rivals:
        for number in range(10):
            rivals.start_soon(create, number)
    found = await documents.read("d.json")
    assert found is not None
    assert [found.body] == [str(number).encode() for number in won]
