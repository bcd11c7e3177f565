"""Manifests to test with: a small one to build upon, and any that a user may legally write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import assume
from hypothesis import strategies as st

from hover_async.manifest import Manifest, load_manifest
from hover_async.manifest.checks import cross_checks

REQUIRED: Mapping[str, Any] = {
    "name": "shop-dev",
    "region": "eu-central-1",
    "auth": {
        "stack-role": "arn:aws:iam::123456789012:role/stack",
        "lambda-role": "arn:aws:iam::123456789012:role/service-role/lambda",
    },
}
HOSTILE = (
    "${AWS::AccountId}",
    "{{resolve:ssm:key}}",
    '"}},"X":{"Ref":"Api"',
    "Fn::Sub",
    "a\nb'\"\\",
)
"""Text that would mean something to CloudFormation, JSON or YAML if it ever got loose."""


def loaded(text: str) -> Manifest:
    """The manifest that `text` is."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "dev.yml"
        path.write_text(text, encoding="utf-8")
        return load_manifest(path)


def manifest(**keys: object) -> Manifest:
    """The small manifest with these keys; `log_retention` is written `log-retention`."""
    given = {key.replace("_", "-"): value for key, value in keys.items()}
    return loaded(yaml.safe_dump({**REQUIRED, **given}, sort_keys=False))


NAMES = st.from_regex(r"[a-z](-?[a-z0-9]){1,19}", fullmatch=True)
QUEUES = st.from_regex(r"[A-Za-z0-9_-]{1,30}(\.fifo)?", fullmatch=True)
FUNCTIONS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", fullmatch=True)
TEXT = st.sampled_from(HOSTILE) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=20
)
TAGS = st.from_regex(r"[\w .:/=+@-]{1,20}", fullmatch=True).filter(
    lambda name: not name.lower().startswith("aws:")
)
TIMEOUTS = st.integers(1, 900)
MEMORY = st.integers(128, 10_240)


@st.composite
def manifests(draw: st.DrawFn, *, max_functions: int = 8) -> Manifest:
    """Any manifest: of every key some are given, with up to `max_functions` queue functions."""
    names = draw(st.lists(QUEUES, unique=True, max_size=max_functions * 2))
    keys = draw(st.lists(FUNCTIONS, unique=True, max_size=min(max_functions, len(names))))
    ends = sorted(draw(st.permutations(range(1, len(names))))[: max(len(keys) - 1, 0)])
    shares = [names[a:b] for a, b in zip([0, *ends], [*ends, len(names)], strict=True)]
    queue = {key: draw(_queue(share)) for key, share in zip(keys, shares, strict=False)}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "environment": st.dictionaries(
            st.sampled_from(["APP_NAME", "AWS_BUCKET", "X_1"]), TEXT, max_size=3
        ),
        "build_args": st.dictionaries(st.just("BASE_IMAGE"), TEXT),
        "deploy_commands": st.lists(
            st.sampled_from(["migrate --force", "php artisan greet '${AWS::Region} \"x\"'"]),
            max_size=2,
        ),
        "deploy": st.sampled_from([{}, {"code": "stack"}, {"code": "direct"}]),
        "tags": st.dictionaries(TAGS, TAGS, max_size=3),
        "architecture": st.sampled_from(["x86_64", "arm64"]),
        "ephemeral_storage": st.integers(512, 10_240),
        "log_retention": st.sampled_from([1, 30, 3653]),
        "http": _http(),
        "alarms": st.just({"topic": "arn:aws:sns:eu-central-1:123456789012:on-call"}),
        "cli": st.fixed_dictionaries(
            {}, optional={"memory": MEMORY, "timeout": TIMEOUTS, "schedule": st.booleans()}
        ),
        "vpc": st.just(
            {"security-groups": ["sg-0123456789abcdef0"], "subnets": ["subnet-01234567"]}
        ),
    }
    given = draw(st.fixed_dictionaries({"name": NAMES}, optional=optional))
    keys_given = {key.replace("_", "-"): value for key, value in given.items()}
    return _legal({**REQUIRED, "queue": queue, **keys_given})


def _legal(written: Mapping[str, Any]) -> Manifest:
    """The manifest, if the loader would take it: names may have become too long together."""
    stage = Manifest.model_validate(written)
    assume(not any(cross_checks(stage)))
    return stage.written_as(written)


@st.composite
def _http(draw: st.DrawFn) -> dict[str, Any]:
    http: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "timeout": st.integers(1, 30),
                "warm": st.integers(0, 9),
                "access-log": st.booleans(),
            },
        )
    )
    if draw(st.booleans()):
        http["domains"] = ["www.example.com", "*.example.org"]
        http["certificate"] = "arn:aws:acm:us-east-1:123456789012:certificate/0-1"
    return http


@st.composite
def _queue(draw: st.DrawFn, queues: list[str]) -> dict[str, Any]:
    timeout = draw(TIMEOUTS)
    return draw(
        st.fixed_dictionaries(
            {"queues": st.just(queues), "timeout": st.just(timeout)},
            optional={
                "memory": MEMORY,
                "concurrency": st.integers(1000, 2000),
                "tries": st.integers(1, 1000),
                "backoff": st.just("5, 10"),
                "batch": st.integers(1, min(10, 900 // timeout)),
                "max-concurrency": st.integers(2, 1000),
                "dead-letter": st.booleans(),
            },
        )
    )


SIZES = ((2, 3), (3, 19), (19, 98), (98, 300), (300, 500))
"""Classes of how many functions a stage has: each as often as any other, unless said otherwise."""
FEW_QUEUES_FROM = 50
"""A stage of this many functions gets fewer queues for each."""


@st.composite
def large_manifests(
    draw: st.DrawFn, *, sizes: Sequence[tuple[int, int]] = SIZES, most_queues: int = 9
) -> Manifest:
    """A manifest of 2 to 500 functions.

    Queue sections are drawn from a few, so that 500 of them cost no more to draw than one.
    """
    count = draw(st.integers(*draw(st.sampled_from(sizes)))) - 2
    specs = draw(st.lists(_queue([]), min_size=1, max_size=4))
    each = draw(st.integers(1, 3 if count > FEW_QUEUES_FROM else most_queues))
    prefix = draw(st.sampled_from(["q", "High-Prior", "under_score", "Z", "a" * 12]))
    suffix = draw(st.sampled_from(["", ".fifo"]))
    stage = draw(manifests(max_functions=0))
    queue = {
        f"{prefix}-{number}": {
            **specs[number % len(specs)],
            "queues": [f"{prefix}_{number}_{part}{suffix}" for part in range(each)],
        }
        for number in range(count)
    }
    return _legal({**stage.as_written, "queue": queue})
