"""From manifest and image to a CloudFormation template: pure, deterministic, a file per part."""

from hover_async.template.render import Nested, Template, render, template_key
from hover_async.template.split import OWN, Places

__all__ = ["OWN", "Nested", "Places", "Template", "render", "template_key"]
