"""Who may read the assets' bucket: the distribution, and only below a build's directory.

The bucket itself is older than the stack: the first deploy sends assets before there is one.
"""

from __future__ import annotations

from hover_async.manifest import Manifest
from hover_async.template.cdn import DISTRIBUTION
from hover_async.template.parts import Resources, join, ref, resource


def assets(manifest: Manifest) -> Resources:
    objects = join("arn:", ref("AWS::Partition"), f":s3:::{manifest.bucket}/b*")
    distribution = join(
        "arn:",
        ref("AWS::Partition"),
        ":cloudfront::",
        ref("AWS::AccountId"),
        ":distribution/",
        ref(DISTRIBUTION),
    )
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": objects,
        "Condition": {"StringEquals": {"AWS:SourceArn": distribution}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {
        "AssetsPolicy": resource(
            "AWS::S3::BucketPolicy", {"Bucket": manifest.bucket, "PolicyDocument": policy}
        )
    }
