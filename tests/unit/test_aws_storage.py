"""What the S3 adapters make of answers that are lost, refused or odd."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import pytest
import trio.testing

from hover_async.aws.bucket import ABANDONED_UPLOADS, PRIVATE, SETTLED
from hover_async.aws.storage import S3Assets, S3Documents, composite_sha256
from hover_async.errors import AccessDenied, Conflict, NotFound, Rejected
from hover_async.ports import ObjectHeaders, Part
from tests.unit.scripted_aws import Answer, Scripted, lost, refused, timed_out

pytestmark = pytest.mark.anyio

CSS = ObjectHeaders("text/css", "immutable", content_encoding="br")
PARTS = [Part(1, '"e1"', base64.b64encode(b"1" * 32).decode())]
WHOLE = composite_sha256(PARTS)
STALE = refused("PreconditionFailed", 412)
TAGS = {"stage": "dev"}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, with a clock that jumps to whatever happens next."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


def assets(**script: list[Answer]) -> tuple[S3Assets, Scripted]:
    client = Scripted(script)
    return assets_of(client, region="eu-central-1"), client


def assets_of(client: Scripted, *, region: str) -> S3Assets:
    return S3Assets(
        client.service(), "b", owner="42", region=region, base_url="https://s3/b", tags=TAGS
    )


def documents(**script: list[Answer]) -> tuple[S3Documents, Scripted]:
    client = Scripted(script)
    return S3Documents(client.service(), "b", owner="42"), client


def found(body: bytes, etag: str = '"e"') -> dict[str, Any]:
    return {"Body": body, "ETag": etag}


def tag_set(tags: Mapping[str, str]) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


SETTLING: dict[str, list[Answer]] = {
    "PutPublicAccessBlock": [{}],
    "PutBucketOwnershipControls": [{}],
    "GetBucketLifecycleConfiguration": [refused("NoSuchLifecycleConfiguration", 404)],
    "PutBucketLifecycleConfiguration": [{}],
    "PutBucketTagging": [{}],
}


async def complete(store: S3Assets) -> None:
    await store.complete_multipart("k", "u", PARTS, size_bytes=5)


@pytest.mark.parametrize("failure", [lost(), timed_out(), refused("InternalError", 500)])
async def test_completed_but_the_answer_was_lost(failure: Exception) -> None:
    """An upload that is gone after a lost answer, or an error inside a 200, was completed."""
    head = {"ContentLength": 5, "ChecksumSHA256": WHOLE}
    store, client = assets(
        CompleteMultipartUpload=[failure, refused("NoSuchUpload", 404)], HeadObject=[head]
    )
    await complete(store)
    assert client.left() == {}


@pytest.mark.parametrize(
    "head",
    [
        {"ContentLength": 4, "ChecksumSHA256": WHOLE},
        {"ContentLength": 5, "ChecksumSHA256": "another"},
        refused("404", 404),
    ],
)
async def test_gone_but_not_completed(head: Answer) -> None:
    """An upload that is gone without the whole object in its place has failed."""
    store, _ = assets(CompleteMultipartUpload=[refused("NoSuchUpload", 404)], HeadObject=[head])
    with pytest.raises(NotFound):
        await complete(store)


async def test_completion_names_the_parts_in_order() -> None:
    """S3 gets the parts by number, with their checksums and the whole size."""
    store, client = assets(CompleteMultipartUpload=[{}])
    late, early = Part(2, "e2", "c2"), Part(1, "e1", "c1")
    await store.complete_multipart("k", "u", [late, early], size_bytes=5)
    asked = client.asked[0][1]
    assert [part["PartNumber"] for part in asked["MultipartUpload"]["Parts"]] == [1, 2]
    assert asked["MpuObjectSize"] == 5


def test_composite_checksum() -> None:
    """The checksum of parts is S3's: the hash of their hashes, and how many."""
    one, two = (hashlib.sha256(body).digest() for body in (b"a", b"b"))
    parts = [Part(n, "", base64.b64encode(d).decode()) for n, d in ((2, two), (1, one))]
    expected = base64.b64encode(hashlib.sha256(one + two).digest()).decode()
    assert composite_sha256(parts) == f"{expected}-2"


async def test_every_object_call_names_the_owner() -> None:
    """No object call may reach a bucket of another account."""
    store, client = assets(
        PutObject=[{}],
        CopyObject=[{}],
        ListObjectsV2=[{}],
        CreateMultipartUpload=[{"UploadId": "u"}],
        UploadPart=[{"ETag": "e"}],
        CompleteMultipartUpload=[{}],
        AbortMultipartUpload=[{}],
    )
    await store.put("k", b"", CSS, sha256="c")
    await store.copy("s", "k", CSS)
    await store.keys("k")
    await store.begin_multipart("k", CSS)
    await store.put_part("k", "u", 1, b"", sha256="c")
    await complete(store)
    await store.abort_multipart("k", "u")
    record, client2 = documents(
        PutObject=[{"ETag": "e"}, {"ETag": "e"}], GetObject=[found(b"")], DeleteObject=[{}]
    )
    await record.create("k", b"")
    await record.replace("k", b"", "e")
    await record.read("k")
    await record.delete("k", "e")
    assert client.left() == client2.left() == {}
    for _, asked in client.asked + client2.asked:
        assert asked["ExpectedBucketOwner"] == "42"


async def test_headers_are_sent() -> None:
    """An object carries its type, its cache control and its encoding; a copy does too."""
    store, client = assets(PutObject=[{}], CopyObject=[{}])
    await store.put("k", b"abc", CSS, sha256="c")
    await store.copy("s", "k", CSS)
    for _, asked in client.asked:
        assert asked["ContentType"] == "text/css"
        assert asked["CacheControl"] == "immutable"
        assert asked["ContentEncoding"] == "br"
    assert client.asked[0][1]["ChecksumSHA256"] == "c"
    assert client.asked[1][1]["MetadataDirective"] == "REPLACE"


async def test_a_put_is_repeated() -> None:
    """A put is repeated after throttling, a 5xx and a lost answer: the bytes are the same."""
    failures: list[Answer] = [refused("SlowDown", 503), refused("InternalError", 500), lost()]
    store, client = assets(PutObject=[*failures, {}])
    await store.put("k", b"abc", CSS, sha256="c")
    assert client.count("PutObject") == 4


async def test_a_page_of_html_is_no_answer() -> None:
    """A gateway's page with status 200 is no success of a put, and is repeated like a lost one."""
    page = {"ResponseMetadata": {"HTTPHeaders": {"content-type": "text/html; charset=utf-8"}}}
    store, client = assets(PutObject=[page, {}])
    await store.put("k", b"abc", CSS, sha256="c")
    assert client.count("PutObject") == 2


async def test_a_wrong_body_is_not_repeated() -> None:
    """A body that S3 finds different from its checksum is refused once and for all."""
    store, client = assets(PutObject=[refused("BadDigest"), {}])
    with pytest.raises(Rejected):
        await store.put("k", b"abc", CSS, sha256="c")
    assert client.count("PutObject") == 1


async def test_all_pages_of_a_listing() -> None:
    """A listing goes on while S3 says that there is more."""
    pages: list[Answer] = [
        {"Contents": [{"Key": "a", "Size": 1}], "NextContinuationToken": "t"},
        {"Contents": [{"Key": "b", "Size": 2}]},
    ]
    store, client = assets(ListObjectsV2=pages)
    assert await store.keys("") == {"a": 1, "b": 2}
    assert client.asked[1][1]["ContinuationToken"] == "t"


async def test_urls_are_quoted() -> None:
    """A key's URL is quoted, its slashes kept."""
    store, _ = assets()
    assert store.url("a b/c+d?#%.json") == "https://s3/b/a%20b/c%2Bd%3F%23%25.json"


async def test_created_but_the_answer_was_lost() -> None:
    """A creation refused after a lost answer is ours if the same bytes are there."""
    record, client = documents(PutObject=[lost(), STALE], GetObject=[found(b"me", '"mine"')])
    assert await record.create("k", b"me") == '"mine"'
    assert client.asked[0][1]["IfNoneMatch"] == "*"


async def test_created_by_a_rival() -> None:
    """A creation refused after a lost answer is a conflict if other bytes are there."""
    record, _ = documents(PutObject=[lost(), STALE], GetObject=[found(b"you")])
    with pytest.raises(Conflict):
        await record.create("k", b"me")


async def test_two_writes_at_once() -> None:
    """S3's 'another conditional write is under way' is tried again."""
    record, client = documents(
        PutObject=[refused("ConditionalRequestConflict", 409), {"ETag": '"e"'}]
    )
    assert await record.replace("k", b"me", '"old"') == '"e"'
    assert client.asked[1][1]["IfMatch"] == '"old"'


async def test_replacing_what_is_gone() -> None:
    """Replacing a deleted document is a conflict; in a missing bucket it is NotFound."""
    record, _ = documents(PutObject=[refused("NoSuchKey", 404), refused("NoSuchBucket", 404)])
    with pytest.raises(Conflict):
        await record.replace("k", b"me", "e")
    with pytest.raises(NotFound):
        await record.replace("k", b"me", "e")


@pytest.mark.parametrize("refusal", [STALE, refused("NoSuchKey", 404)])
async def test_deleted_but_the_answer_was_lost(refusal: Exception) -> None:
    """A deletion refused because the document is gone is done."""
    record, _ = documents(DeleteObject=[lost(), refusal], GetObject=[refused("NoSuchKey", 404)])
    await record.delete("k", "e")


async def test_deleting_what_changed() -> None:
    """A deletion refused because the document changed is a conflict."""
    record, _ = documents(DeleteObject=[STALE], GetObject=[found(b"you")])
    with pytest.raises(Conflict):
        await record.delete("k", "e")


async def test_a_settled_bucket_costs_one_call() -> None:
    """A bucket that was settled before, with these tags, is asked for them and left alone."""
    store, client = assets(GetBucketTagging=[tag_set({**TAGS, **SETTLED, "theirs": "1"})])
    await store.ensure_bucket()
    assert len(client.asked) == 1


async def test_a_new_bucket() -> None:
    """A new bucket is created in its region, private, owned, and tagged last."""
    store, client = assets(
        GetBucketTagging=[refused("NoSuchBucket", 404)], CreateBucket=[{}], **SETTLING
    )
    await store.ensure_bucket()
    asked = dict(client.asked)
    assert asked["create_bucket"] == {
        "Bucket": "b",
        "ObjectOwnership": "BucketOwnerEnforced",
        "CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"},
    }
    assert asked["put_public_access_block"]["PublicAccessBlockConfiguration"] == PRIVATE
    lifecycle = asked["put_bucket_lifecycle_configuration"]["LifecycleConfiguration"]
    assert lifecycle["Rules"] == [ABANDONED_UPLOADS]
    assert client.asked[-1][0] == "put_bucket_tagging"
    assert asked["put_bucket_tagging"]["Tagging"] == tag_set({**TAGS, **SETTLED})


async def test_no_location_in_the_home_region() -> None:
    """us-east-1 must not be named as a location."""
    missing: list[Answer] = [refused("NoSuchBucket", 404)]
    client = Scripted({"GetBucketTagging": missing, "CreateBucket": [{}], **SETTLING})
    await assets_of(client, region="us-east-1").ensure_bucket()
    assert "CreateBucketConfiguration" not in dict(client.asked)["create_bucket"]


async def test_a_bucket_we_made_a_moment_ago() -> None:
    """'Already owned by you' is what a repeated creation meets."""
    refusals: list[Answer] = [lost(), refused("BucketAlreadyOwnedByYou", 409)]
    store, client = assets(
        GetBucketTagging=[refused("NoSuchBucket", 404)], CreateBucket=refusals, **SETTLING
    )
    await store.ensure_bucket()
    assert client.left() == {}


async def test_a_name_that_is_taken() -> None:
    """A name that another account holds is a conflict, with the way out."""
    store, _ = assets(
        GetBucketTagging=[refused("NoSuchBucket", 404)],
        CreateBucket=[refused("BucketAlreadyExists", 409)],
    )
    with pytest.raises(Conflict) as caught:
        await store.ensure_bucket()
    assert "shared by all of AWS" in str(caught.value.hint)


async def test_somebody_elses_bucket() -> None:
    """A bucket that denies us says that it may be somebody else's."""
    store, client = assets(GetBucketTagging=[refused("AccessDenied", 403)])
    with pytest.raises(AccessDenied) as caught:
        await store.ensure_bucket()
    assert "another AWS account than 42" in str(caught.value.hint)
    assert len(client.asked) == 1


async def test_what_users_configured_stays() -> None:
    """Tags and lifecycle rules of the user's own survive the settling of their bucket."""
    theirs = {"ID": "theirs", "Status": "Enabled"}
    rules: list[Answer] = [{"Rules": [theirs]}]
    settling = {**SETTLING, "GetBucketLifecycleConfiguration": rules}
    store, client = assets(GetBucketTagging=[tag_set({"cost": "1"})], **settling)
    await store.ensure_bucket()
    asked = dict(client.asked)
    lifecycle = asked["put_bucket_lifecycle_configuration"]["LifecycleConfiguration"]
    assert lifecycle["Rules"] == [theirs, ABANDONED_UPLOADS]
    assert asked["put_bucket_tagging"]["Tagging"] == tag_set({"cost": "1", **TAGS, **SETTLED})


async def test_an_interrupted_settling_is_taken_up() -> None:
    """A bucket without the last tag is settled again."""
    store, client = assets(GetBucketTagging=[refused("NoSuchTagSet", 404)], **SETTLING)
    await store.ensure_bucket()
    assert client.left() == {}
    assert client.count("CreateBucket") == 0
