"""The stack that a manifest asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given

from hover_async.errors import UsageError
from hover_async.manifest import Manifest
from hover_async.template import Template, render
from hover_async.values import Edge, Role
from tests.unit.manifests import manifest, manifests

IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop@sha256:{'a' * 64}"
ON_AWS = Edge()
LOCAL = Edge("http://{label}.cloudfront.localhost:4566", "localhost:4566")


def resources(
    stage: Manifest, *, started: bool = False, image_uri: str = IMAGE, edge: Edge = ON_AWS
) -> dict[str, Any]:
    names = [spec.name for spec in stage.functions] if started else []
    body = render(stage, image_uri=image_uri, started=names, edge=edge).body
    found: dict[str, Any] = json.loads(body)["Resources"]
    return found


def properties(found: dict[str, Any], logical_id: str) -> dict[str, Any]:
    given: dict[str, Any] = found[logical_id]["Properties"]
    return given


def of_type(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return {key: value["Properties"] for key, value in found.items() if value["Type"] == kind}


# What a deploy relies on


@given(manifests())
def test_another_image_changes_nothing_but_the_image(stage: Manifest) -> None:
    """With an unchanged manifest, two templates differ in every function's ImageUri alone."""
    before = render(stage, image_uri=IMAGE, started=[])
    after = render(stage, image_uri="other", started=[])
    assert after.body.replace('"ImageUri":"other"', f'"ImageUri":"{IMAGE}"') == before.body
    assert after.body.count('"ImageUri":"other"') == len(stage.functions)


@given(manifests())
def test_the_same_input_gives_the_same_template(stage: Manifest) -> None:
    """A template is deterministic, compact, and says how large it is."""
    template = render(stage, image_uri=IMAGE, started=[])
    again = render(stage, image_uri=IMAGE, started=[])
    assert template == again
    assert template.functions == stage.functions
    assert template.size_bytes == len(template.body.encode())
    assert template.resource_count == len(json.loads(template.body)["Resources"])
    assert json.dumps(json.loads(template.body), separators=(",", ":")) == template.body


@given(manifests())
def test_live_is_the_same_for_ever(stage: Manifest) -> None:
    """A `live` alias names its function and `$LATEST`, whatever else the stage has or lacks."""
    aliases = of_type(resources(stage), "AWS::Lambda::Alias")
    assert aliases == {
        f"{spec.logical_id}Live": {
            "FunctionName": {"Ref": f"{spec.logical_id}Function"},
            "FunctionVersion": "$LATEST",
            "Name": "live",
        }
        for spec in stage.functions
    }
    assert all(
        set(resource) == {"Type", "Properties"}
        for resource in resources(stage).values()
        if resource["Type"] == "AWS::Lambda::Alias"
    )


@given(manifests())
def test_whoever_invokes_invokes_live(stage: Manifest) -> None:
    """Every integration, consumer, rule and permission points to an alias, never to a function."""
    found = resources(stage)
    aliases = set(of_type(found, "AWS::Lambda::Alias"))
    invoked = [
        *(given["IntegrationUri"] for given in of_type(found, INTEGRATION).values()),
        *(given["FunctionName"] for given in of_type(found, CONSUMER).values()),
        *(given["FunctionName"] for given in of_type(found, "AWS::Lambda::Permission").values()),
        *(given["Targets"][0]["Arn"] for given in of_type(found, RULE).values()),
    ]
    assert {next(iter(target.values())) for target in invoked} <= aliases
    assert all(set(target) == {"Ref"} for target in invoked)


INTEGRATION = "AWS::ApiGatewayV2::Integration"
CONSUMER = "AWS::Lambda::EventSourceMapping"
RULE = "AWS::Events::Rule"


@given(manifests())
def test_a_function_that_was_never_live_gets_no_work(stage: Manifest) -> None:
    """Consumers and rules are on for the functions that were live before, and for no others."""
    for started in (False, True):
        found = resources(stage, started=started)
        consumers = of_type(found, CONSUMER).values()
        assert all(given["Enabled"] is started for given in consumers)
        state = "ENABLED" if started else "DISABLED"
        assert all(given["State"] == state for given in of_type(found, RULE).values())


def test_only_the_function_that_is_new_waits() -> None:
    """Beside a new function, the ones that were live go on working."""
    stage = manifest(queue={"old": {}, "new": {}})
    old = next(spec.name for spec in stage.functions if "old" in spec.name)
    found = json.loads(render(stage, image_uri=IMAGE, started=[old]).body)["Resources"]
    assert properties(found, "ConsumerOld")["Enabled"] is True
    assert properties(found, "ConsumerNew")["Enabled"] is False
    assert properties(found, "WarmerRule")["State"] == "DISABLED"


# Nothing in a manifest can be more than a value (I17)

INTRINSICS = {"Ref", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Fn::Split"}


@given(manifests())
def test_no_text_of_a_manifest_is_more_than_text(stage: Manifest) -> None:
    """The resources are those that the sections ask for, every intrinsic refers to one of them,
    and no string holds what CloudFormation would substitute or resolve."""
    found = resources(stage, edge=LOCAL)
    queues = [queue for spec in stage.queues.values() for queue in spec.queues]
    dead = [queue for spec in stage.queues.values() if spec.dead_letter for queue in spec.queues]
    rules = [bool(stage.http.warm), stage.cli.schedule].count(True)
    assert len(found) == 9 + 3 * len(stage.functions) + 2 * len(queues) + len(dead) + 3 * rules
    for name, value in intrinsics(found):
        assert name in INTRINSICS
        if name in {"Ref", "Fn::GetAtt"}:
            target = value if name == "Ref" else value[0]
            assert target in found or target.startswith("AWS::")
    for text in strings(found):
        assert "${" not in text
        assert "{{" not in text


@given(manifests())
def test_a_stacks_parts_do_not_wait_for_each_other_in_a_circle(stage: Manifest) -> None:
    """There is an order in which CloudFormation can make the resources."""
    found = resources(stage, edge=LOCAL)
    waiting = {key: set(needs(resource, found)) for key, resource in found.items()}
    while waiting:
        ready = {key for key, others in waiting.items() if not others & set(waiting)}
        assert ready, f"in a circle: {sorted(waiting)}"
        waiting = {key: others for key, others in waiting.items() if key not in ready}


def intrinsics(value: Any) -> Iterator[tuple[str, Any]]:
    """What CloudFormation would take for a function: in values only, not in names of resources."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref" or key.startswith("Fn::"):
                yield key, inner
            yield from intrinsics(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from intrinsics(inner)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def needs(resource: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    yield from resource.get("DependsOn", [])
    for name, value in intrinsics(resource):
        if name in {"Ref", "Fn::GetAtt"}:
            target = value if name == "Ref" else value[0]
            if target in found:
                yield target


# The parts


def test_a_function_is_as_its_section_says() -> None:
    """Memory, time, concurrency and disk are the section's, role and processor the stage's."""
    stage = manifest(
        http={"memory": 512, "timeout": 20, "concurrency": 50, "warm": 10},
        architecture="arm64",
        ephemeral_storage=2048,
        tags={"team": "shop"},
        vpc={"security-groups": ["sg-01234567"], "subnets": ["subnet-01234567"]},
    )
    function = properties(resources(stage), "HttpFunction")
    del function["Environment"]
    assert function == {
        "FunctionName": "shop-dev-http",
        "Role": "arn:aws:iam::123456789012:role/service-role/lambda",
        "PackageType": "Image",
        "Code": {"ImageUri": IMAGE},
        "Architectures": ["arm64"],
        "MemorySize": 512,
        "Timeout": 20,
        "ReservedConcurrentExecutions": 50,
        "EphemeralStorage": {"Size": 2048},
        "VpcConfig": {"SecurityGroupIds": ["sg-01234567"], "SubnetIds": ["subnet-01234567"]},
        "Tags": [{"Key": "team", "Value": "shop"}],
    }


def test_a_functions_variables_are_constants() -> None:
    """They tell the runtime what the function is for and where things are; the application's own
    are in the image."""
    stage = manifest(queue={"mails": {"queues": ["a"]}}, environment={"APP_NAME": "Shop"})
    found = resources(stage)
    variables = {
        spec.role: properties(found, f"{spec.logical_id}Function")["Environment"]["Variables"]
        for spec in stage.functions
    }
    assert {role: given["HOVER_ROLE"] for role, given in variables.items()} == {
        role: role.value for role in Role
    }
    assert variables[Role.QUEUE]["HOVER_QUEUE"] == "mails"
    assert "HOVER_QUEUE" not in variables[Role.HTTP]
    domain = {"Fn::GetAtt": ["Distribution", "DomainName"]}
    assert variables[Role.HTTP]["HOVER_ASSET_DOMAIN"] == {"Fn::Join": ["", ["https://", domain]]}
    assert variables[Role.HTTP]["SQS_SUFFIX"] == "-shop-dev"
    assert all("APP_NAME" not in given for given in variables.values())


@given(manifests())
def test_a_functions_variables_fit_into_lambdas_4_kb(stage: Manifest) -> None:
    """However long the manifest's names and its environment are."""
    for function in of_type(resources(stage), "AWS::Lambda::Function").values():
        assert len(json.dumps(function["Environment"])) < 2048


def test_the_local_edge_has_the_distributions_first_label() -> None:
    """Where a distribution answers under another domain, its first label is put in."""
    variables = properties(resources(manifest(), edge=LOCAL), "HttpFunction")["Environment"]
    label = {
        "Fn::Select": ["0", {"Fn::Split": [".", {"Fn::GetAtt": ["Distribution", "DomainName"]}]}]
    }
    assert variables["Variables"]["HOVER_ASSET_DOMAIN"] == {
        "Fn::Join": ["", ["http://", label, ".cloudfront.localhost:4566"]]
    }


@given(manifests())
def test_a_log_group_is_older_than_its_function(stage: Manifest) -> None:
    """Else Lambda makes one of its own, which is kept for ever."""
    found = resources(stage)
    for spec in stage.functions:
        assert found[f"{spec.logical_id}Function"]["DependsOn"] == [f"{spec.logical_id}Logs"]
        assert properties(found, f"{spec.logical_id}Logs") == {
            "LogGroupName": f"/aws/lambda/{spec.name}",
            "RetentionInDays": stage.log_retention,
        }


def test_pages_are_never_cached_and_assets_come_from_the_bucket() -> None:
    """The two origins, each with AWS's managed policies for it."""
    config = properties(resources(manifest()), "Distribution")["DistributionConfig"]
    pages = config["DefaultCacheBehavior"]
    assert pages["TargetOriginId"] == "pages"
    assert pages["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert pages["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert len(pages["AllowedMethods"]) == 7
    assert pages["ViewerProtocolPolicy"] == "redirect-to-https"
    (assets,) = config["CacheBehaviors"]
    assert assets["PathPattern"] == "/b????????T??????Z-????????/*"
    assert assets["CachePolicyId"] == "658327ea-f89d-4fab-a63d-7e88639e58f6"
    origins = {origin["Id"]: origin for origin in config["Origins"]}
    assert origins["pages"]["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    assert origins["assets"]["OriginAccessControlId"] == {"Fn::GetAtt": ["AssetsAccess", "Id"]}
    assert "Aliases" not in config
    assert "ViewerCertificate" not in config


def test_own_domains_come_with_their_certificate() -> None:
    """CloudFront takes domains only together with a certificate for them."""
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/0-1"
    stage = manifest(http={"domains": ["www.example.com"], "certificate": arn})
    config = properties(resources(stage), "Distribution")["DistributionConfig"]
    assert config["Aliases"] == ["www.example.com"]
    assert config["ViewerCertificate"]["AcmCertificateArn"] == arn


def test_the_bucket_opens_to_its_distribution_alone() -> None:
    """Nobody else may read an asset, and the distribution nothing but assets."""
    policy = properties(resources(manifest()), "AssetsPolicy")
    assert policy["Bucket"] == "shop-dev-assets"
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert statement["Action"] == "s3:GetObject"
    source = statement["Condition"]["StringEquals"]["AWS:SourceArn"]
    assert source["Fn::Join"][1][-1] == {"Ref": "Distribution"}
    assert statement["Resource"]["Fn::Join"][1][-1] == ":s3:::shop-dev-assets/b*"


def test_a_queue_is_kept_with_its_messages() -> None:
    """A queue that leaves the template stays, and gives a message back after six timeouts."""
    stage = manifest(
        queue={
            "jobs": {
                "queues": ["default", "m.fifo"],
                "timeout": 100,
                "tries": 4,
                "dead-letter": True,
                "batch": 5,
                "max-concurrency": 7,
            }
        }
    )
    found = resources(stage)
    for logical_id, queue in of_type(found, "AWS::SQS::Queue").items():
        assert found[logical_id]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert found[logical_id]["UpdateReplacePolicy"] == "Retain"
        assert queue.get("FifoQueue", False) == queue["QueueName"].endswith(".fifo")
    assert properties(found, "SqsQueueDefault") == {
        "QueueName": "default-shop-dev",
        "MessageRetentionPeriod": 1_209_600,
        "VisibilityTimeout": 600,
        "RedrivePolicy": {
            "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLettersDefault", "Arn"]},
            "maxReceiveCount": 4,
        },
    }
    assert properties(found, "DeadLettersMZ2efifo")["QueueName"] == "m-shop-dev-dead.fifo"
    assert properties(found, "ConsumerMZ2efifo") == {
        "EventSourceArn": {"Fn::GetAtt": ["SqsQueueMZ2efifo", "Arn"]},
        "FunctionName": {"Ref": "QueueJobsLive"},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BatchSize": 5,
        "Enabled": False,
        "ScalingConfig": {"MaximumConcurrency": 7},
    }


def test_a_queue_stays_the_same_when_another_function_takes_it_over() -> None:
    """Its resource belongs to the queue, so its messages wait for the new function."""
    before = resources(manifest(queue={"jobs": {"queues": ["mails"]}}))
    after = resources(manifest(queue={"letters": {"queues": ["mails"]}}))
    assert before["SqsQueueMails"] == after["SqsQueueMails"]


def test_what_is_started_each_minute_is_never_run_twice() -> None:
    """A scheduled event that failed or came late is dropped: the next one is there already."""
    found = resources(manifest(http={"warm": 4}))
    rule = properties(found, "SchedulerRule")
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    (target,) = rule["Targets"]
    assert json.loads(target["Input"]) == {"schedule": True}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60}
    assert properties(found, "SchedulerOnce")["MaximumRetryAttempts"] == 0
    (ping,) = properties(found, "WarmerRule")["Targets"]
    assert json.loads(ping["Input"]) == {"warmer": True, "containers": 4}


def test_rules_that_are_not_wanted_are_not_there() -> None:
    """No warm containers, no warmer; no schedule, no scheduler."""
    found = resources(manifest(http={"warm": 0}, cli={"schedule": False}))
    assert not of_type(found, RULE)


def test_the_outputs_are_what_a_deploy_reads() -> None:
    """Domain and id of the distribution, URL and id of the API."""
    outputs = json.loads(render(manifest(), image_uri=IMAGE, started=[]).body)["Outputs"]
    assert outputs == {
        "ApiId": {"Value": {"Ref": "Api"}},
        "ApiUrl": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}},
        "DistributionDomain": {"Value": {"Fn::GetAtt": ["Distribution", "DomainName"]}},
        "DistributionId": {"Value": {"Ref": "Distribution"}},
    }


# Its size


def test_a_stage_of_ninety_queues_fits_into_one_stack() -> None:
    """That is 92 functions, each with its log group, alias, queue and consumer."""
    template = queues_of(90)
    assert template.resource_count == 471
    assert template.size_bytes < 250_000


def test_a_stage_that_is_too_large_says_so() -> None:
    """What CloudFormation would refuse is refused before anything is sent, with what to do."""
    with pytest.raises(UsageError, match=r"needs 501 resources in .* takes 500") as caught:
        queues_of(96)
    assert caught.value.hint


def queues_of(count: int) -> Template:
    stage = manifest(queue={f"jobs{number}": {} for number in range(count)})
    return render(stage, image_uri=IMAGE, started=[])
