"""What the SDK does otherwise for us: timestamps and user agent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from hover_async.aws.sdk import timestamp

MOMENTS = st.datetimes(datetime(1999, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them without a zone


@given(MOMENTS)
def test_timestamps_are_those_of_the_sdk(moment: datetime) -> None:
    """S3, CloudFormation, Lambda and the Query protocol write them in these ways."""
    millis = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}"
    for written in (f"{millis}Z", f"{millis}+0000", moment.isoformat(), f"{moment:%Y-%m-%dT%XZ}"):
        assert timestamp(written) == parse_timestamp(written)
    assert timestamp(moment.timestamp()) == parse_timestamp(moment.timestamp())


@pytest.mark.parametrize("written", ["Wed, 25 Nov 2026 10:00:00 GMT", "2026-11-25T10:00:00"])
def test_other_forms_are_left_to_the_sdk(written: str) -> None:
    """HTTP's dates, and those without a zone."""
    assert timestamp(written) == parse_timestamp(written)


def test_no_timestamp_is_an_error_of_the_sdk() -> None:
    """And no other, for it is told as an answer that cannot be read."""
    with pytest.raises(ValueError, match="Invalid timestamp"):
        timestamp("yesterday")


def test_zones_are_kept() -> None:
    """An offset is an offset."""
    offset = timestamp("2026-11-25T10:00:00+02:00").utcoffset()
    assert offset == timedelta(hours=2)
