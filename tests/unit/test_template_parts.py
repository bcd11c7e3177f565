"""Each part of the stack, property by property, where a property matters."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from hover_async.manifest import Manifest
from hover_async.template import render
from hover_async.values import Role
from tests.unit.manifests import manifest, manifests
from tests.unit.stacks import ALARM, IMAGE, LOCAL, RULE, of_type, properties, resources


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


def test_the_api_keeps_a_log_of_its_own() -> None:
    """Every request is a line of JSON, without its query string; it can be switched off."""
    settings = properties(resources(manifest()), "ApiStage")["AccessLogSettings"]
    assert settings["DestinationArn"]["Fn::Join"][1][-1] == (
        "log-group:/aws/vendedlogs/apis/shop-dev"
    )
    line = json.loads(settings["Format"])
    assert line["status"] == "$context.status"
    assert not [path for path in line.values() if "query" in path.lower()]
    off = resources(manifest(http={"access-log": False}))
    assert "AccessLogSettings" not in properties(off, "ApiStage")


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


def test_a_queue_is_handed_to_its_function() -> None:
    """The consumer names a queue beside the stack by its ARN, and reports failures one by one."""
    stage = manifest(queue={"jobs": {"queues": ["m.fifo"], "batch": 5, "max-concurrency": 7}})
    found = resources(stage)
    assert not of_type(found, "AWS::SQS::Queue")
    consumer = properties(found, "ConsumerMZ2efifo")
    assert consumer.pop("EventSourceArn")["Fn::Join"][1][-1] == "m-shop-dev.fifo"
    assert consumer == {
        "FunctionName": {"Ref": "QueueJobsLive"},
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BatchSize": 1,
        "Enabled": False,
        "ScalingConfig": {"MaximumConcurrency": 7},
    }


def test_a_function_has_time_for_all_jobs_that_it_is_handed() -> None:
    """`timeout` is every job's, as `queue:work --timeout`; the function's is for the batch."""
    found = resources(manifest(queue={"jobs": {"timeout": 80, "batch": 10}, "one": {}}))
    assert properties(found, "QueueJobsFunction")["Timeout"] == 800
    assert properties(found, "QueueOneFunction")["Timeout"] == 60


def test_a_fifo_queue_hands_over_one_message_at_a_time() -> None:
    """Nothing is received behind a message that comes again, and loses a try by it."""
    found = resources(manifest(queue={"jobs": {"queues": ["a", "b.fifo"], "batch": 10}}))
    assert properties(found, "ConsumerA")["BatchSize"] == 10
    assert properties(found, "ConsumerBZ2efifo")["BatchSize"] == 1


@pytest.mark.parametrize(
    ("concurrency", "queues", "most"),
    [
        (None, ["a"], None),
        (10, ["a"], 10),
        (10, ["a", "b", "c"], 3),
        (1, ["a"], 2),
        (1500, ["a"], 1000),
    ],
)
def test_no_more_is_received_than_the_function_may_run(
    concurrency: int | None, queues: list[str], most: int | None
) -> None:
    """The queues share the function's reserve: a throttled batch would be received in vain."""
    reserve = {} if concurrency is None else {"concurrency": concurrency}
    found = resources(manifest(queue={"jobs": {"queues": queues, **reserve}}))
    scaling = properties(found, "ConsumerA").get("ScalingConfig")
    assert scaling == (most and {"MaximumConcurrency": most})


def test_what_the_manifest_says_of_messages_at_once_is_taken() -> None:
    """max-concurrency is for each queue, and wins over a share of the reserve."""
    jobs = {"queues": ["a", "b"], "concurrency": 10, "max-concurrency": 9}
    found = resources(manifest(queue={"jobs": jobs}))
    assert properties(found, "ConsumerB")["ScalingConfig"] == {"MaximumConcurrency": 9}


def test_alarms_are_there_only_for_a_topic() -> None:
    """With a topic: failed functions, dead letters and answers of 5xx; without: none."""
    queue = {"jobs": {"queues": ["a", "b"], "dead-letter": True}, "mails": {}}
    assert not of_type(resources(manifest(queue=queue)), ALARM)
    topic = "arn:aws:sns:eu-central-1:123456789012:on-call"
    alarms = of_type(resources(manifest(queue=queue, alarms={"topic": topic})), ALARM)
    assert set(alarms) == {
        *("ApiErrorsAlarm", "HttpErrorsAlarm", "CliErrorsAlarm"),
        *("QueueJobsErrorsAlarm", "QueueMailsErrorsAlarm"),
        *("DeadLettersAlarmA", "DeadLettersAlarmB"),
    }
    assert all(given["AlarmActions"] == [topic] for given in alarms.values())
    assert alarms["HttpErrorsAlarm"]["Dimensions"] == [
        {"Name": "FunctionName", "Value": "shop-dev-http"},
        {"Name": "Resource", "Value": "shop-dev-http:live"},
    ]
    assert alarms["DeadLettersAlarmA"]["Dimensions"] == [
        {"Name": "QueueName", "Value": "a-shop-dev-dead"}
    ]


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


@pytest.mark.parametrize(("concurrency", "kept"), [(4, 4), (10, 10), (50, 10)])
def test_no_more_is_kept_warm_than_the_function_may_run(concurrency: int, kept: int) -> None:
    """The warmer's event asks for `http.warm` containers, but never for more than the reserve."""
    found = resources(manifest(http={"warm": 10, "concurrency": concurrency}))
    (target,) = properties(found, "WarmerRule")["Targets"]
    assert json.loads(target["Input"]) == {"warmer": True, "containers": kept}


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
