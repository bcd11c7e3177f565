"""`hover-async secrets encrypt|decrypt|list STAGE`"""

from __future__ import annotations

import json
from typing import Any

import click

from hover_async.cli.options import located, says_where
from hover_async.cli.reporting import to_whoever_listens
from hover_async.cli.run import run

_JSON = click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")


@click.group()
def secrets() -> None:
    """Encrypt a stage's secrets with KMS, for its image to carry.

    You write .hover/STAGE-secrets.plain.env and never commit it; 'encrypt' makes
    .hover/STAGE-secrets.json of it, which the next build takes along.
    """


@secrets.command()
@click.argument("stage")
@says_where
@click.option(
    "--create-key", is_flag=True, help="Make the KMS key, if there is none of its alias yet."
)
@_JSON
def encrypt(stage: str, *, create_key: bool, as_json: bool, **where: Any) -> None:
    """Encrypt .hover/STAGE-secrets.plain.env, and remove it.

    It is removed once the encrypted file has been opened again. What the encrypted file held before
    is replaced as a whole: to change one secret, 'decrypt' first.
    """
    from hover_async import api

    place = located(**where)
    done = run(lambda: api.encrypt_secrets(stage, create_key=create_key, **place))
    with to_whoever_listens():
        if as_json:
            told = {
                "stage": stage,
                "path": str(done.path),
                "key_id": done.key_id,
                "key_created": done.key_created,
                "secrets": list(done.names),
                "dropped": list(done.dropped),
            }
            click.echo(json.dumps(told))
        else:
            if done.key_created:
                click.echo(f"made the KMS key {done.key_id}")
            click.echo(f"{_count(done.names)} encrypted in {done.path}; the plain file is removed")
    if done.dropped:
        click.echo(f"warning: no longer among them: {', '.join(done.dropped)}", err=True)
    if where["local"]:
        click.echo(
            "warning: 'hover-async local down' forgets the key: keep these secrets elsewhere, too",
            err=True,
        )


@secrets.command()
@click.argument("stage")
@says_where
@click.option("--overwrite", is_flag=True, help="Replace a plain file that is there already.")
def decrypt(stage: str, *, overwrite: bool, **where: Any) -> None:
    """Write the secrets to .hover/STAGE-secrets.plain.env, readable by you alone.

    Change them there, then 'encrypt' again. While that file is there, no build starts.
    """
    from hover_async import api

    place = located(**where)
    done = run(lambda: api.decrypt_secrets(stage, overwrite=overwrite, **place))
    with to_whoever_listens():
        click.echo(f"{_count(done.names)} in plain text in {done.path}: change them, then encrypt")


@secrets.command("list")
@click.argument("stage")
@says_where
@_JSON
def list_names(stage: str, *, as_json: bool, **where: Any) -> None:
    """Print the names of the secrets; their values never.

    A name that the manifest's environment has as well is marked: the secret wins.
    """
    from hover_async import api

    place = located(**where)
    found = run(lambda: api.list_secrets(stage, **place))
    with to_whoever_listens():
        if as_json:
            listed = [
                {"name": name, "overrides_environment": overrides}
                for name, overrides in found.items()
            ]
            click.echo(json.dumps({"stage": stage, "secrets": listed}))
            return
        for name, overrides in found.items():
            click.echo(f"{name}  (instead of the manifest's)" if overrides else name)


def _count(names: tuple[str, ...]) -> str:
    return "1 secret is" if len(names) == 1 else f"{len(names)} secrets are"
