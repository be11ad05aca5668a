"""What the server says of a stream, out of its lists of names and values."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

EntryId: TypeAlias = tuple[int, int]
"""Milliseconds and a number within them: in the order of the stream."""


class GroupFacts(NamedTuple):
    """A consumer group. `lag` is how many entries it has not been given; None when the server cannot say."""

    name: bytes
    pending: int
    last_delivered: EntryId
    lag: int | None


def groups_in(answer: Sequence[Any]) -> list[GroupFacts]:
    """What `XINFO GROUPS` answered."""
    return [_group(dict(zip(facts[::2], facts[1::2], strict=True))) for facts in answer]


def entry_id(text: bytes) -> EntryId:
    milliseconds, _, number = text.partition(b"-")
    return (int(milliseconds), int(number))


def run_id(info: bytes) -> str:
    """Which process answered, out of `INFO server`."""
    return info.partition(b"run_id:")[2][:40].decode()


def _group(facts: dict[bytes, Any]) -> GroupFacts:
    return GroupFacts(facts[b"name"], facts[b"pending"], entry_id(facts[b"last-delivered-id"]), facts.get(b"lag"))
