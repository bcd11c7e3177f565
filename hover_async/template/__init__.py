"""From manifest and image to a CloudFormation template: pure, deterministic, a file per part."""

from hover_async.template.render import Template, render

__all__ = ["Template", "render"]
