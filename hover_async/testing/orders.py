"""A build to deploy to a `FakeCloud`, of nothing but a manifest: no image is built for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hover_async.assets import plan_assets
from hover_async.build_record import BuildRecord
from hover_async.deploy.deployment import Order
from hover_async.deploy.lock import Holder
from hover_async.manifest import load_manifest
from hover_async.ports import ImageInfo
from hover_async.testing.cloud import FakeCloud
from hover_async.values import Architecture, BuildId


def new_build(
    cloud: FakeCloud, manifest: Path, *, number: int = 1, assets: Path | None = None
) -> Order:
    """Build `number` (1 to 59) of the manifest's stage; the fake engine has its image.

    `assets` is a directory of files to be served. Raises `ManifestError` as `build` would.
    """
    build_id = BuildId(f"b20261123T0631{number:02}Z-7f3a9c1d")
    read = load_manifest(manifest)
    image, image_id = f"{manifest.stem}:{build_id}", f"sha256:{build_id}"
    cloud.images.local[image] = ImageInfo(image_id, Architecture.X86_64, 1000)
    record = BuildRecord(
        stage=manifest.stem,
        build_id=build_id,
        image=image,
        image_id=image_id,
        architecture=Architecture.X86_64,
        manifest_hash="hash",
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
        git_revision=None,
    )
    files = plan_assets(assets, read.assets.cache_control_for) if assets else ()
    return Order(record, read, files, Holder.me(build_id))
