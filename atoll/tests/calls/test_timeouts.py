"""How what is left of a call's time is written, and read again."""

import math

import pytest

from atoll.calls.timeouts import HEADER, line, read


@pytest.mark.parametrize(
    ("seconds", "value"), [(1.5, "1500"), (0.0019, "1"), (0.0, "1"), (-1.0, "1"), (3600.0, "3600000")]
)
def test_whole_milliseconds_are_written_and_at_least_one(seconds: float, value: str) -> None:
    assert line(seconds) == f"{HEADER}: {value}\r\n"


def test_who_waits_for_ever_does_not_say_how_long() -> None:
    assert line(math.inf) == ""


def test_what_is_written_can_be_read() -> None:
    assert read(line(1.5).removeprefix(f"{HEADER}: ").strip().encode()) == 1.5


@pytest.mark.parametrize("value", [None, b"", b"soon", b"-5", b"1.5", b"1e3", b"9999999999", "٣".encode()])
def test_nonsense_is_no_deadline(value: bytes | None) -> None:
    assert read(value) is None
