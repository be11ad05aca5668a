"""Removes from a stream what every group has acknowledged, and nothing else."""

from collections.abc import Collection

from atoll.clock import Clock
from atoll.events.valkey.answers import EntryId, GroupFacts, entry_id, groups_in
from atoll.events.valkey.server import Server

EVERY = 1.0
"""Seconds between two trims of a stream."""

KEPT_UNHEARD = 7 * 24 * 3600
"""Seconds that messages are kept which no group listens to: as long as in the outboxes that they came from."""


class Trimming:
    """Done in passing, by those who publish and acknowledge. Safe at any moment, and from several processes."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._next: dict[bytes, float] = {}

    async def seen(self, streams: Collection[bytes]) -> None:
        """These streams have changed; trim those whose turn it is."""
        now = self._clock.monotonic()
        for stream in streams:
            if self._next.get(stream, 0.0) <= now:
                self._next[stream] = now + EVERY
                await self.trim(stream)

    async def trim(self, stream: bytes) -> None:
        groups = groups_in(await self._server.run("XINFO GROUPS", stream))
        if not groups:
            await self._server.run("XTRIM", stream, "MINID", "~", await self._long_ago())
            return
        oldest = min([await self._oldest_needed(stream, group) for group in groups])
        await self._server.run("XTRIM", stream, "MINID", f"{oldest[0]}-{oldest[1]}")

    async def _oldest_needed(self, stream: bytes, group: GroupFacts) -> EntryId:
        """The oldest entry that the group still has to do with: the first pending one, or the next it will be given."""
        if group.pending:
            _, first, *_ = await self._server.run("XPENDING", stream, group.name)
            if first is not None:
                return entry_id(first)
        milliseconds, number = group.last_delivered
        return (milliseconds, number + 1)

    async def _long_ago(self) -> int:
        seconds, _ = await self._server.run("TIME")
        return (int(seconds) - KEPT_UNHEARD) * 1000
