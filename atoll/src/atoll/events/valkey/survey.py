"""How far behind each group is, as the server itself knows it: nobody joins a group for that, or reads a message."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from atoll.events.valkey.answers import GroupFacts, groups_in
from atoll.events.valkey.groups import is_missing
from atoll.events.valkey.keys import Keys
from atoll.events.valkey.server import CommandRefused, Server

_PAGE = 1000


class GroupBacklog(NamedTuple):
    """Messages of a topic that a group has not acknowledged: not yet given out, and given out to a consumer."""

    group: str
    topic: str
    undelivered: int
    pending: int


async def survey(server: Server, keys: Keys) -> list[GroupBacklog]:
    """Every group of every topic of the system, by name. Raises `BrokerUnavailable`."""
    found = [backlog async for stream in _streams(server, keys) for backlog in await _backlogs(server, keys, stream)]
    return sorted(found)


async def _streams(server: Server, keys: Keys) -> AsyncIterator[bytes]:
    pattern, cursor = keys.stream("*"), b"0"
    seen: set[bytes] = set()
    while True:
        cursor, names = await server.run("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)
        for name in names:
            if name not in seen:
                seen.add(name)
                yield name
        if cursor == b"0":
            return


async def _backlogs(server: Server, keys: Keys, stream: bytes) -> list[GroupBacklog]:
    try:
        length, groups = await server.run_all([("XLEN", stream), ("XINFO GROUPS", stream)])
    except CommandRefused as refusal:
        if is_missing(refusal):
            return []  # trimmed away or wiped since we were told of it
        raise
    return [_backlog(group, keys.topic(stream), length) for group in groups_in(groups)]


def _backlog(group: GroupFacts, topic: str, length: int) -> GroupBacklog:
    """All of the stream where the server cannot say how much of it was given out."""
    undelivered = length - group.pending if group.lag is None else group.lag
    return GroupBacklog(group.name.decode(), topic, max(0, undelivered), group.pending)
