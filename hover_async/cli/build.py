"""`hover-async build STAGE`"""

from __future__ import annotations

from dataclasses import asdict

import click

from hover_async.cli.plain import JsonReporter
from hover_async.cli.reporting import reporter, to_whoever_listens
from hover_async.cli.run import run
from hover_async.errors import UsageError


@click.command()
@click.argument("stage")
@click.option("--skip-tests", is_flag=True, help="Do not run the Dockerfile's 'tests' target.")
@click.option(
    "--build-arg",
    "build_args",
    multiple=True,
    metavar="NAME=VALUE",
    help="An argument of the Dockerfile, over the manifest's build-args.",
)
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout.")
@click.option("-C", "--project", default=".", help="The Laravel project.  [default: .]")
def build(
    stage: str, *, skip_tests: bool, build_args: tuple[str, ...], as_json: bool, project: str
) -> None:
    """Build STAGE: its image, its compiled assets and the runtime, into .hover/out.

    The 'tests' target of the Dockerfile is built and run; a failing test fails the build.
    """
    from hover_async import api

    arguments = dict(_pair(argument) for argument in build_args)
    with reporter(as_json=as_json) as report:
        record = run(
            lambda: api.build(
                stage, project=project, skip_tests=skip_tests, build_args=arguments, report=report
            )
        )
    with to_whoever_listens():
        if as_json:
            assert isinstance(report, JsonReporter)  # noqa: S101 - what `reporter` gives for --json
            report.write({"event": "Built", **asdict(record)})
            return
        click.echo(f"{record.build_id} of stage '{record.stage}' is built: deploy it")


def _pair(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition("=")
    if not equals or not name:
        raise UsageError(
            f"--build-arg {argument!r} is not NAME=VALUE", hint="as in --build-arg PHP=8.3"
        )
    return name, value
