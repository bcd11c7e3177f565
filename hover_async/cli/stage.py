"""`hover-async stage new PROJECT STAGE`"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hover_async.errors import UsageError


@click.group()
def stage() -> None:
    """Make the files of a new stage."""


@stage.command()
@click.argument("project_name", metavar="PROJECT")
@click.argument("stage_name", metavar="STAGE")
@click.option("--region", help="The AWS region, as eu-central-1.")
@click.option("--profile", help="The AWS profile; empty for the environment's credentials.")
@click.option("--stack-role", help="The ARN of the role that CloudFormation acts as.")
@click.option("--lambda-role", help="The ARN of the role that the functions act as.")
@click.option("-C", "--project", "root", default=".", help="The Laravel project.  [default: .]")
def new(
    *,
    project_name: str,
    stage_name: str,
    region: str | None,
    profile: str | None,
    stack_role: str | None,
    lambda_role: str | None,
    root: str,
) -> None:
    """Write .hover/STAGE.yml, and the Dockerfile and ignore files where they are missing.

    What is not given as an option is asked for. No existing file is changed. The stage is called
    PROJECT-STAGE on AWS.
    """
    from hover_async.build.scaffold import new_stage, require_new

    require_new(Path(root), stage_name)
    written = new_stage(
        Path(root),
        project=project_name,
        stage=stage_name,
        region=region or _ask("--region", "AWS region"),
        stack_role=stack_role or _ask("--stack-role", "ARN of the role for CloudFormation"),
        lambda_role=lambda_role or _ask("--lambda-role", "ARN of the role for the functions"),
        profile=(profile if profile is not None else _ask_for_profile()) or None,
    )
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"next: hover-async build {stage_name}")


def _ask(option: str, question: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"{option} is missing", hint="give it, or run this in a terminal")
    return str(click.prompt(question))


def _ask_for_profile() -> str:
    if not sys.stdin.isatty():
        return ""
    question = "AWS profile (empty for the environment's credentials)"
    return str(click.prompt(question, default="", show_default=False))
