"""One consumer's part in a group, over any number of streams."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from atoll.clock import Clock
from atoll.events.broker import Delivery
from atoll.events.valkey.groups import is_missing, make_groups
from atoll.events.valkey.keys import Keys
from atoll.events.valkey.pending import Pending
from atoll.events.valkey.server import LONGEST_WAIT, CommandRefused, Server
from atoll.events.valkey.trimming import Trimming

_LOOKS_FOR_STALE = 3
"""How often, within the time after which messages are stale, it is looked whether some are."""


class ValkeySubscription:
    """Reads what it left behind, then what others left behind, then what is new."""

    def __init__(
        self,
        server: Server,
        keys: Keys,
        trimming: Trimming,
        clock: Clock,
        *,
        group: str,
        topics: Sequence[str],
        consumer: str,
        stale_after: float,
    ) -> None:
        self._server = server
        self._keys = keys
        self._trimming = trimming
        self._clock = clock
        self._group = group.encode()
        self._streams = [keys.stream(topic) for topic in topics]
        self._consumer = consumer.encode()
        self._stale_after = stale_after
        self._pending = {
            stream: Pending(server, stream, group=self._group, consumer=self._consumer) for stream in self._streams
        }
        self._in_hand: set[tuple[str, str]] = set()
        self._left_some = True
        self._recovering = asyncio.Lock()
        self._look_for_stale_at = clock.monotonic()

    def __repr__(self) -> str:
        return (
            f"<ValkeySubscription of {self._consumer.decode()} in {self._group.decode()}: {len(self._in_hand)} in hand>"
        )

    async def read(self, at_most: int, *, wait: float) -> list[Delivery]:
        try:
            return await self._read(at_most, wait)
        except CommandRefused as refusal:
            if not is_missing(refusal):
                raise
        await make_groups(self._server, self._keys, self._streams, self._group)
        return await self._read(at_most, wait)

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        by_topic: dict[str, list[str]] = defaultdict(list)
        for delivery in deliveries:
            by_topic[delivery.topic].append(delivery.id)
            self._in_hand.discard((delivery.topic, delivery.id))
        entries = {self._keys.stream(topic): ids for topic, ids in by_topic.items()}
        with self._perhaps_leaving_some():
            await self._server.run_all([("XACK", stream, self._group, *ids) for stream, ids in entries.items()])
        await self._trimming.seen(entries.keys())

    async def release(self) -> None:
        self._in_hand.clear()
        self._left_some = True
        for stream in self._streams:
            try:
                await self._pending[stream].release()
            except CommandRefused as refusal:
                if not is_missing(refusal):
                    raise

    async def _read(self, at_most: int, wait: float) -> list[Delivery]:
        if self._left_some and (found := await self._own(at_most)):
            return found
        if self._clock.monotonic() >= self._look_for_stale_at and (found := await self._stale(at_most)):
            return found
        return await self._new(at_most, wait)

    async def _own(self, at_most: int) -> list[Delivery]:
        """What this consumer was given, and neither has in hand nor acknowledged."""
        async with self._recovering:
            found = await self._taken_over(at_most, lambda pending: pending.own(self._not_in_hand, at_most), 0)
            self._left_some = bool(found)
            return found

    async def _stale(self, at_most: int) -> list[Delivery]:
        """What somebody was given so long ago that they must be gone, or have given it back."""
        idle = int(self._stale_after * 1000)
        found = await self._taken_over(at_most, lambda pending: pending.stale(self._not_in_hand, at_most, idle), idle)
        if not found:
            self._look_for_stale_at = self._clock.monotonic() + self._stale_after / _LOOKS_FOR_STALE
        return found

    async def _taken_over(self, at_most: int, look: Callable[[Pending], Any], idle: int) -> list[Delivery]:
        found: list[Delivery] = []
        for stream in self._streams:
            if len(found) >= at_most:
                break
            counts: Mapping[str, int] = await look(self._pending[stream])
            entries = dict(list(counts.items())[: at_most - len(found)])
            if entries:
                with self._perhaps_leaving_some():
                    taken = await self._pending[stream].take(entries, idle)
                found += self._handed_out(Delivery(self._keys.topic(stream), *entry) for entry in taken)
        return found

    async def _new(self, at_most: int, wait: float) -> list[Delivery]:
        command: list[str | bytes | int] = ["XREADGROUP", "GROUP", self._group, self._consumer, "COUNT", at_most]
        if wait > 0:
            command += ["BLOCK", max(1, int(min(wait, LONGEST_WAIT) * 1000))]
        with self._perhaps_leaving_some():
            answer = await self._server.run(*command, "STREAMS", *self._streams, *[">"] * len(self._streams))
        return self._handed_out(
            Delivery(topic, entry.decode(), fields[1], 1)
            for topic, entries in ((self._keys.topic(stream), entries) for stream, entries in answer or ())
            for entry, fields in entries
        )

    @contextmanager
    def _perhaps_leaving_some(self) -> Iterator[None]:
        """When this fails or is cancelled, the server may have given out something that never arrived here."""
        try:
            yield
        except BaseException:
            self._left_some = True
            raise

    def _not_in_hand(self, stream: bytes, entry: str) -> bool:
        return (self._keys.topic(stream), entry) not in self._in_hand

    def _handed_out(self, found: Iterator[Delivery]) -> list[Delivery]:
        deliveries = list(found)
        self._in_hand.update((delivery.topic, delivery.id) for delivery in deliveries)
        return deliveries
