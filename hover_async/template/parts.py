"""The words of CloudFormation that every part uses.

A manifest's string only ever becomes a JSON string. `Fn::Sub` is used nowhere, so no `${...}` in a
user's value means anything, and a user's value is never a key.
"""

from __future__ import annotations

from typing import Any

Resource = dict[str, Any]
Resources = dict[str, Resource]


def ref(logical_id: str) -> dict[str, str]:
    return {"Ref": logical_id}


def attribute(logical_id: str, name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical_id, name]}


def join(*parts: object) -> dict[str, list[object]]:
    return {"Fn::Join": ["", list(parts)]}


def arn(service: str, *path: object) -> dict[str, list[object]]:
    """The ARN of something of this service, in this account and region."""
    place = (ref("AWS::Region"), ":", ref("AWS::AccountId"))
    return join("arn:", ref("AWS::Partition"), f":{service}:", *place, ":", *path)


def resource(kind: str, properties: dict[str, Any], **more: object) -> Resource:
    """A resource without the properties that are None."""
    given = {name: value for name, value in properties.items() if value is not None}
    return {"Type": kind, "Properties": given, **more}


def permission(alias: str, principal: str, source_arn: object) -> Resource:
    """That `principal` may invoke the alias, on behalf of `source_arn` only."""
    return resource(
        "AWS::Lambda::Permission",
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": ref(alias),
            "Principal": principal,
            "SourceArn": source_arn,
        },
    )
