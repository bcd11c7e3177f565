"""Alarms, for a stage that has a topic to tell: failed functions, dead letters, errors of the API.

Each tells when it begins and when it is over, and is silent where nothing is measured.
"""

from __future__ import annotations

from hover_async.manifest import Manifest
from hover_async.manifest.model import Alarms
from hover_async.manifest.names import DEAD, logical_id, sqs_name
from hover_async.template.crew import Consumer, Section
from hover_async.template.parts import Resource, Resources, ref, resource
from hover_async.values import LIVE

PERIOD_S = 300
API_ERRORS = 5
"""Answers of 5xx within a period that are worth waking somebody; one may be a visitor's luck."""


def api_alarm(manifest: Manifest, api: str) -> Resources:
    if manifest.alarms is None:
        return {}
    text = f"{manifest.name}: {API_ERRORS} or more answers of 5xx within 5 minutes"
    return {
        "ApiErrorsAlarm": _alarm(
            manifest.alarms,
            text,
            ("AWS/ApiGateway", "5xx", "Sum"),
            {"ApiId": ref(api)},
            at_least=API_ERRORS,
        )
    }


def function_alarm(manifest: Manifest, section: Section) -> Resources:
    """Of what `live` points to: a deploy command or a warm-up that fails alarms nobody."""
    if manifest.alarms is None:
        return {}
    name = section.function.name
    return {
        f"{section.function.logical_id}ErrorsAlarm": _alarm(
            manifest.alarms,
            f"{name}: an invocation failed: it crashed, ran out of time or out of memory",
            ("AWS/Lambda", "Errors", "Sum"),
            {"FunctionName": name, "Resource": f"{name}:{LIVE}"},
        )
    }


def dead_letter_alarm(manifest: Manifest, given: Consumer) -> Resources:
    if manifest.alarms is None or not given.spec.dead_letter:
        return {}
    name = sqs_name(manifest.name, given.queue, suffix=DEAD)
    return {
        logical_id("DeadLettersAlarm", given.queue): _alarm(
            manifest.alarms,
            f"{name}: there are jobs that failed for good",
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum"),
            {"QueueName": name},
        )
    }


def _alarm(
    alarms: Alarms,
    text: str,
    metric: tuple[str, str, str],
    dimensions: dict[str, object],
    *,
    at_least: int = 1,
) -> Resource:
    namespace, name, statistic = metric
    return resource(
        "AWS::CloudWatch::Alarm",
        {
            "AlarmDescription": text,
            "Namespace": namespace,
            "MetricName": name,
            "Statistic": statistic,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            "Period": PERIOD_S,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Threshold": at_least,
            "TreatMissingData": "notBreaching",
            "AlarmActions": [alarms.topic],
            "OKActions": [alarms.topic],
        },
    )
