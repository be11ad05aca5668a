"""The entries of one stream that a group was given and has not acknowledged."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from atoll.events.valkey.server import Server

Wanted: TypeAlias = Callable[[bytes, str], bool]
Entry: TypeAlias = tuple[str, bytes, int]
"""Id, body, and how often it was given out."""

_NOBODY = b"nobody"
"""The consumer that released entries belong to until somebody takes them over."""

_LONG = 2**31 - 1
"""Milliseconds that a released entry seems to have been idle: more than anybody waits before taking over."""

_PAGE = 1000


class Pending:
    """As one consumer of the group sees them."""

    def __init__(self, server: Server, stream: bytes, *, group: bytes, consumer: bytes) -> None:
        self._server = server
        self._stream = stream
        self._group = group
        self._consumer = consumer

    async def own(self, wanted: Wanted, at_most: int) -> dict[str, int]:
        """The oldest entries of this consumer that are wanted, with how often they were given out."""
        found: dict[str, int] = {}
        after = "-"
        while len(found) < at_most:
            page = await self._page(after, _PAGE, self._consumer)
            found.update((entry, count) for entry, count in page.items() if wanted(self._stream, entry))
            if len(page) < _PAGE:
                break
            after = f"({list(page)[-1]}"
        return found

    async def stale(self, wanted: Wanted, at_most: int, idle: int) -> dict[str, int]:
        """The oldest entries, of whomever, that nothing was heard of for `idle` milliseconds."""
        page = await self._page("-", at_most, idle=idle)
        return {entry: count for entry, count in page.items() if wanted(self._stream, entry)}

    async def take(self, counts: Mapping[str, int], idle: int) -> list[Entry]:
        """Make entries this consumer's, if they still are as long idle. Deleted ones are dropped."""
        answer = await self._server.run("XCLAIM", self._stream, self._group, self._consumer, idle, *counts)
        present = [found for found in answer if found and found[1] is not None]
        taken = [(entry.decode(), fields[1], counts[entry.decode()] + 1) for entry, fields in present]
        await self._drop_deleted(counts.keys() - {entry for entry, _, _ in taken})
        return taken

    async def release(self) -> None:
        """Give back all that this consumer has: anybody may take it over at once."""
        while page := await self._page("-", _PAGE, self._consumer):
            await self._server.run("XCLAIM", self._stream, self._group, _NOBODY, 0, *page, "IDLE", _LONG, "JUSTID")

    async def _page(self, after: str, count: int, consumer: bytes | None = None, *, idle: int = 0) -> dict[str, int]:
        answer: list[Any] = await self._server.run(
            *("XPENDING", self._stream, self._group, *(("IDLE", idle) if idle else ()), after, "+", count),
            *((consumer,) if consumer else ()),
        )
        return {entry.decode(): deliveries for entry, _, _, deliveries in answer}

    async def _drop_deleted(self, missing: set[str]) -> None:
        """Servers before 7.0 keep entries pending that the stream has no more."""
        for entry in missing:
            if not await self._server.run("XRANGE", self._stream, entry, entry):
                await self._server.run("XACK", self._stream, self._group, entry)
