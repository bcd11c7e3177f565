"""What hover-async needs of the world, as small protocols, a file per service.

`aws/` and `docker/` implement them for real, `testing/` as one fake that tests and programs can
use. Every method may raise `AwsError` or `DockerError` and nothing else of its own; each says what
a repeated call does, for the retry policies live below these protocols, never above them.
"""

from __future__ import annotations

from dataclasses import dataclass

from hover_async.ports.beside import LogGroups, Queues
from hover_async.ports.facts import BucketState, Certificate, Concurrency, Facts, Identity
from hover_async.ports.functions import Alias, Functions, FunctionState, Invocation, Repeatable
from hover_async.ports.images import (
    BuildRequest,
    ImageBuilder,
    ImageInfo,
    ImagePusher,
    PushedImage,
    Registry,
    RegistryLogin,
)
from hover_async.ports.keys import DataKey, Keys
from hover_async.ports.stacks import (
    ChangeSet,
    ChangeSets,
    ChangeSetState,
    ForeseenChange,
    StackDescription,
    StackEvent,
    StackRequest,
    Stacks,
)
from hover_async.ports.storage import AssetStore, Document, Documents, ObjectHeaders, Part

__all__ = [
    "Alias",
    "AssetStore",
    "BucketState",
    "BuildRequest",
    "Certificate",
    "ChangeSet",
    "ChangeSetState",
    "ChangeSets",
    "Cloud",
    "Concurrency",
    "DataKey",
    "Document",
    "Documents",
    "Facts",
    "ForeseenChange",
    "FunctionState",
    "Functions",
    "Identity",
    "ImageBuilder",
    "ImageInfo",
    "ImagePusher",
    "Invocation",
    "Keys",
    "LogGroups",
    "ObjectHeaders",
    "Part",
    "PushedImage",
    "Queues",
    "Registry",
    "RegistryLogin",
    "Repeatable",
    "StackDescription",
    "StackEvent",
    "StackRequest",
    "Stacks",
]


@dataclass(frozen=True)
class Cloud:
    """The ports of one stage's AWS account and region, opened together."""

    assets: AssetStore
    documents: Documents
    registry: Registry
    stacks: Stacks
    change_sets: ChangeSets
    functions: Functions
    queues: Queues
    logs: LogGroups
    facts: Facts
