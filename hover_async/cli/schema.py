"""`hover-async schema`"""

from __future__ import annotations

import json

import click

from hover_async.cli.reporting import to_whoever_listens


@click.command()
def schema() -> None:
    """Print the JSON Schema of the manifest, as editors use it for completion and checks.

    'stage new' writes it to .hover/manifest.schema.json, which the first line of each manifest
    names. After an update of hover-async write it again:

        hover-async schema > .hover/manifest.schema.json
    """
    from hover_async.manifest import json_schema

    with to_whoever_listens():
        click.echo(json.dumps(json_schema(), indent=2))
