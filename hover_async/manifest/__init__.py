"""What the user wrote: `.hover/STAGE.yml` as a validated, typed value.

`load_manifest` reads it and tells every problem with its line and column; `new_manifest` writes a
first one; `json_schema` is what editors know about them.
"""

from hover_async.manifest.checks import advice
from hover_async.manifest.fields import DeployCommand
from hover_async.manifest.loader import load_manifest
from hover_async.manifest.model import Manifest, QueueSpec
from hover_async.manifest.schema import json_schema
from hover_async.manifest.stub import new_manifest

__all__ = [
    "DeployCommand",
    "Manifest",
    "QueueSpec",
    "advice",
    "json_schema",
    "load_manifest",
    "new_manifest",
]
