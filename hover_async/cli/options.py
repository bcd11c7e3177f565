"""Options that several commands have."""

from __future__ import annotations

import click

from hover_async.values import Lane

lane_option = click.option(
    "--direct/--stack",
    default=None,
    help="How functions get the image: each by itself, where nothing else changes; or by the stack."
    "  [default: the manifest's deploy.code]",
)


def lane_of(*, direct: bool | None) -> Lane | None:
    """What `lane_option` says; None where the manifest decides."""
    if direct is None:
        return None
    return Lane.DIRECT if direct else Lane.STACK
