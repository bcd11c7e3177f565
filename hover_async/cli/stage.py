"""`hover-async stage new PROJECT STAGE`"""

from __future__ import annotations

from pathlib import Path

import click

from hover_async.errors import ProjectError


@click.group()
def stage() -> None:
    """Make the files of a new stage."""


@stage.command()
@click.argument("project_name", metavar="PROJECT")
@click.argument("stage_name", metavar="STAGE")
@click.option("--region", prompt="AWS region", help="As eu-central-1.")
@click.option(
    "--profile", prompt="AWS profile (empty: the environment's)", default="", show_default=False
)
@click.option("--stack-role", prompt="ARN of the role for CloudFormation")
@click.option("--lambda-role", prompt="ARN of the role for the functions")
@click.option("-C", "--project", "root", default=".", help="The Laravel project.  [default: .]")
def new(
    *,
    project_name: str,
    stage_name: str,
    region: str,
    profile: str,
    stack_role: str,
    lambda_role: str,
    root: str,
) -> None:
    """Write .hover/STAGE.yml, and the Dockerfile and ignore files where they are missing.

    No existing file is changed. The stage is called PROJECT-STAGE on AWS.
    """
    from hover_async.build.scaffold import new_stage

    if not Path(root).is_dir():
        raise ProjectError(f"there is no directory '{root}'", hint="-C names the Laravel project")
    written = new_stage(
        Path(root),
        project=project_name,
        stage=stage_name,
        region=region,
        profile=profile or None,
        stack_role=stack_role,
        lambda_role=lambda_role,
    )
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"next: hover-async build {stage_name}")
