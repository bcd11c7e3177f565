"""Logical ids and queue names: legal, stable, and never shared."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hover_async.manifest.names import logical_id, sqs_name
from tests.unit.manifests import NAMES, QUEUES

LEGAL = st.text("abcyzABCYZ0129-_.", min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("default", "Default"),
        ("high-priority", "HighPriority"),
        ("a1-b2", "A1B2"),
        ("emails_high", "EmailsZ5fhigh"),
        ("Default", "Z44efault"),
        ("m.fifo", "MZ2efifo"),
        ("zoo", "zoo"),
        ("a-zoo", "AZ2dzoo"),
        ("a--b", "AZ2dB"),
        ("-a", "Z2da"),
        ("a-", "AZ2d"),
        ("1-1", "1Z2d1"),
    ],
)
def test_a_logical_id_is_written_like_this(name: str, expected: str) -> None:
    """These ids are in live stacks: a change would replace their resources."""
    assert logical_id("Queue", name) == f"Queue{expected}"


@given(LEGAL)
def test_the_name_can_be_read_back_from_its_id(name: str) -> None:
    """Decoding an id gives its name, so no two names have one id; and CloudFormation takes it."""
    identity = logical_id("Queue", name)
    assert re.fullmatch(r"[A-Za-z0-9]{1,255}", identity)
    assert decoded(identity.removeprefix("Queue")) == name


def decoded(identity: str) -> str:
    tokens = re.findall(r"Z[0-9a-f]{2}|.", identity)
    name = ""
    for token in tokens:
        if len(token) > 1:
            name += chr(int(token[1:], 16))
        elif token.isupper():
            name += f"-{token.lower()}" if name else token.lower()
        else:
            name += token
    return name


@given(NAMES, QUEUES, QUEUES)
def test_a_stages_queues_keep_apart_on_sqs(stage: str, one: str, other: str) -> None:
    """Two queues of a stage have two names on SQS, and a FIFO queue's ends as SQS wants it."""
    names = {sqs_name(stage, one), sqs_name(stage, other)}
    assert len(names) == len({one, other})
    assert sqs_name(stage, one).endswith(".fifo") == one.endswith(".fifo")


def test_queues_are_called_as_the_predecessor_called_them() -> None:
    """The queue's name comes before the stage's, and a dead letter queue's says so."""
    assert sqs_name("shop-dev", "jobs") == "jobs-shop-dev"
    assert sqs_name("shop-dev", "jobs.fifo") == "jobs-shop-dev.fifo"
    assert sqs_name("shop-dev", "jobs.fifo", suffix="-dead") == "jobs-shop-dev-dead.fifo"
