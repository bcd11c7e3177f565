"""`hover-async iam POLICY [STAGE]`"""

from __future__ import annotations

import json

import click

from hover_async.cli.reporting import to_whoever_listens


@click.command()
@click.argument("policy", type=click.Choice(["deployer", "stack-role", "lambda-role", "secrets"]))
@click.argument("stage", required=False)
@click.option("--trust", is_flag=True, help="The policy of who may act as it, instead.")
@click.option(
    "--account",
    help="Written in place of the account of the manifest's roles, as '${AWS::AccountId}'.",
)
@click.option("--direct", is_flag=True, help="The deployer may deploy with --direct, too.")
@click.option("-C", "--project", default=".", help="The Laravel project.  [default: .]")
def iam(
    policy: str,
    stage: str | None,
    *,
    trust: bool,
    account: str | None,
    direct: bool,
    project: str,
) -> None:
    """The least IAM policy of a stage as JSON on stdout; nothing is asked of AWS.

    \b
      deployer     for whoever runs 'deploy', 'plan' and 'doctor'
      stack-role   for auth.stack-role, which CloudFormation acts as
      lambda-role  for auth.lambda-role, which the functions act as
      secrets      for whoever runs 'secrets'

    STAGE may be left out where there is a build, or only one stage. docs/iam.md says why each
    action is there.
    """
    from hover_async import api

    found = api.policy(policy, stage, project=project, account=account, trust=trust, direct=direct)
    with to_whoever_listens():
        click.echo(json.dumps(found, indent=2))
