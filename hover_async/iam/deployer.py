"""What whoever runs `hover-async deploy`, `plan` and `doctor` may do."""

from __future__ import annotations

from hover_async.iam.names import Names
from hover_async.iam.policy import Grant, Policy
from hover_async.values import Lane


def deployer(names: Names, *, sealed_with: str | None, direct: bool = False) -> Policy:
    """`sealed_with` is the KMS key of the stage's secrets, if it has any: an ARN, id or alias.

    `direct`: who has it may deploy in the direct lane, whatever the manifest says.
    """
    return Policy(
        [
            *_storage(names),
            *_images(names),
            *_beside(names),
            *_stack(names),
            *_functions(names, direct=direct or names.manifest.deploy.code is Lane.DIRECT),
            *_secrets_key(names, sealed_with),
        ]
    )


def _storage(names: Names) -> list[Grant]:
    return [
        Grant(
            "Bucket",
            [
                "s3:CreateBucket",
                "s3:GetBucketTagging",
                "s3:GetLifecycleConfiguration",
                "s3:ListBucket",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutLifecycleConfiguration",
            ],
            [names.bucket],
            "the first deploy makes the assets' bucket, private and with abandoned uploads "
            "expiring; later ones look whether it is ours and list a build's directory",
        ),
        Grant(
            "Objects",
            ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [names.assets, names.records],
            "assets are sent, and copied from an earlier build's directory; lock, records and "
            "large templates stand below hover/, and lock and records are removed again; an "
            "interrupted upload is aborted; assets of builds beyond 'retain' are deleted",
        ),
    ]


def _images(names: Names) -> list[Grant]:
    tagging = ["ecr:TagResource"] if names.manifest.tags else []
    return [
        Grant(
            "Login",
            ["ecr:GetAuthorizationToken"],
            ["*"],
            "to push an image; AWS knows no narrower resource for it",
        ),
        Grant(
            "Repository",
            [
                "ecr:CreateRepository",
                "ecr:DescribeRepositories",
                "ecr:GetRepositoryPolicy",
                "ecr:SetRepositoryPolicy",
                *tagging,
            ],
            [names.repository],
            "the first deploy makes the repository and lets Lambda read it",
        ),
        Grant(
            "Push",
            [
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchDeleteImage",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ],
            [names.repository],
            "the Docker Engine pushes the image, layer by layer, and the deploy asks the registry "
            "for its digest; images of builds beyond 'retain' are deleted",
        ),
    ]


def _beside(names: Names) -> list[Grant]:
    tagging = ["logs:TagResource"] if names.manifest.tags else []
    return [
        Grant(
            "Queues",
            [
                "sqs:CreateQueue",
                "sqs:GetQueueAttributes",
                "sqs:ListQueueTags",
                "sqs:SetQueueAttributes",
                "sqs:TagQueue",
            ],
            names.any_queues,
            "queues and their dead letters stand beside the stack: they are made, taken over and "
            "changed, never deleted; no message is read",
        ),
        Grant(
            "LogGroups",
            ["logs:CreateLogGroup", "logs:PutRetentionPolicy", *tagging],
            names.log_groups,
            "log groups stand beside the stack: they are made, adopted, and kept for "
            "log-retention, never deleted",
        ),
    ]


def _secrets_key(names: Names, sealed_with: str | None) -> list[Grant]:
    """To look whether it is there; who encrypts has a policy of its own."""
    if sealed_with is None:
        return []
    resource, condition = names.key(sealed_with)
    return [
        Grant(
            "SecretsKey",
            ["kms:DescribeKey"],
            [resource],
            "the doctor looks whether the secrets' key is there and enabled",
            condition,
        )
    ]


def _stack(names: Names) -> list[Grant]:
    tagging = ["cloudformation:TagResource"] if names.manifest.tags else []
    return [
        Grant(
            "Stack",
            [
                "cloudformation:CreateStack",
                "cloudformation:DeleteStack",
                "cloudformation:UpdateStack",
                *tagging,
            ],
            [names.stack],
            "the stack is made and updated; one whose first creation failed, or that a plan left "
            "empty, is deleted",
        ),
        Grant(
            "StackReading",
            [
                "cloudformation:DescribeStackEvents",
                "cloudformation:DescribeStacks",
                "cloudformation:GetTemplate",
                "cloudformation:ListStackResources",
            ],
            [names.stack, names.nested_stacks],
            "an operation is followed, the functions are found, and a plan reads what is deployed; "
            "nested stacks are named after the stack",
        ),
        Grant(
            "ChangeSets",
            [
                "cloudformation:CreateChangeSet",
                "cloudformation:DeleteChangeSet",
                "cloudformation:DescribeChangeSet",
                "cloudformation:ListChangeSets",
            ],
            [names.stack, names.nested_stacks],
            "a plan asks CloudFormation and deletes the question again; without this right it "
            "tells the difference of the templates alone",
        ),
        *_roles(names),
        *_certificate(names),
    ]


def _roles(names: Names) -> list[Grant]:
    return [
        Grant(
            "StackRole",
            ["iam:PassRole"],
            [names.stack_role],
            "CloudFormation acts as the stack role, and this hands it over to nobody else",
            {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}},
        ),
        Grant(
            "Roles",
            ["iam:GetRole"],
            [names.stack_role, names.lambda_role],
            "the doctor looks whether the roles exist and whom they trust",
        ),
    ]


def _certificate(names: Names) -> list[Grant]:
    certificate = names.manifest.http.certificate
    if certificate is None:
        return []
    return [
        Grant(
            "Certificate",
            ["acm:DescribeCertificate"],
            [certificate],
            "the doctor looks whether it is issued and covers http.domains",
        )
    ]


def _functions(names: Names, *, direct: bool) -> list[Grant]:
    updating = ["lambda:UpdateFunctionCode"] if direct else []
    return [
        Grant(
            "Functions",
            [
                "lambda:GetAlias",
                "lambda:GetFunction",
                "lambda:GetFunctionConcurrency",
                "lambda:InvokeFunction",
                "lambda:PublishVersion",
                "lambda:UpdateAlias",
                *updating,
            ],
            [*names.functions, *names.versions],
            "versions are published, warmed, given the deploy commands, asked for their health, "
            "and made live; in the direct lane they get their image; the doctor adds up what they "
            "have reserved; queue functions of later manifests are covered",
        ),
        Grant(
            "Versions",
            ["lambda:DeleteFunction"],
            names.versions,
            "versions of builds beyond 'retain' are deleted, never a function; without this right "
            "they stay",
        ),
        Grant(
            "Account",
            [
                "cloudformation:ValidateTemplate",
                "lambda:GetAccountSettings",
                "logs:DescribeLogGroups",
            ],
            ["*"],
            "how many containers may run at once, for warming; the doctor has the template "
            "checked; which log groups there are, and how long they keep logs; AWS knows no "
            "narrower resource for any of them",
        ),
    ]
