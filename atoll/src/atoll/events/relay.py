"""Sends what is in the outbox: woken by the commit, and looking each second at worst.

    read some ──► publish ──► is the broker still the one that we know? ──► note that they are published
                                   │ no: it has lost some, or all
                                   └──► have those published again, these included

A crash anywhere leaves events unpublished that the broker may have: they are sent again, and the inboxes pass over
them. Each process sends at once what it added itself. What another one left behind, because it died, is sent by the
one that has the lease; should two believe that they have it, events are sent twice, which is harmless too.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from atoll.clock import Clock, SystemClock, to_millis
from atoll.events import outbox_table as table
from atoll.events.broker import Broker, Mark, Message
from atoll.events.metrics import EventMetrics
from atoll.events.outbox import Outbox
from atoll.events.unavailability import UNAVAILABLE, BackOff
from atoll.observability.logging import get_logger
from atoll.storage import Database

AT_ONCE = 100
LOOK_EVERY = 1.0
"""Seconds between two looks at the outbox, and at the broker, although nobody woke us."""

GATHERING = 0.003
"""Seconds of rest after a turn: what is added meanwhile goes together. What comes after a longer rest goes at once."""

LEFT_OVER_AFTER = 1.0
"""Seconds after which an event counts as left over by the process that added it."""

LEASE = 3.0
"""Seconds; renewed at every look while there is something left over."""

KEPT_FOR = 7 * 24 * 3600.0
"""Seconds that events are kept, for a broker that loses everything."""

LOST_BY_CRASH = 60.0
"""Seconds before the end of a broker's process of which it may have lost events: `everysec` may lose one."""

AGAIN_AT_ONCE = 500
LAST_TURN = 0.5
"""Seconds for what is in hand when we are told to stop."""

Found: TypeAlias = Sequence[tuple[str, Message]]

log = get_logger()


class _Lost(NamedTuple):
    """Events published between these moments (ms) that the broker may not have."""

    since: int
    until: int


class OutboxRelay:
    """The relay of one process, for its `outbox` in `database`."""

    def __init__(
        self,
        outbox: Outbox,
        database: Database,
        broker: Broker,
        metrics: EventMetrics,
        *,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._outbox = outbox
        self._database = database
        self._broker = broker
        self._metrics = metrics
        self._clock = clock or SystemClock()
        self._back_off = BackOff("relay", self._clock, chance)
        self._known: Mark | None = None
        self._lost: deque[_Lost] = deque()
        self._leads = False
        self._look_at = self._clock.monotonic()

    def __repr__(self) -> str:
        return f"<OutboxRelay {self._outbox!r}{', leading' if self._leads else ''}, {self._back_off!r}>"

    async def run(self) -> None:
        """Publish, until cancelled. While the broker or the database is away, look again after growing pauses."""
        try:
            while True:
                self._outbox.woken.clear()
                try:
                    more = await self.turn()
                except UNAVAILABLE as error:
                    await self._back_off.pause(error)
                    continue
                self._back_off.went_well()
                if not more:
                    await self._rest()
        finally:
            await self._last_turn()

    async def turn(self) -> bool:
        """Publish some of what waits; whether there may be more. Raises what `UNAVAILABLE` names."""
        if self._clock.monotonic() >= self._look_at:
            await self._look_around()
            self._look_at = self._clock.monotonic() + LOOK_EVERY
        found = await self._waiting()
        if found:
            await self._publish(found)
        if self._lost:
            await self._send_some_again()
        return len(found) == AT_ONCE or bool(self._lost)

    async def _look_around(self) -> None:
        """What nobody wakes us for: a broker that has changed, what others left over, how much there is."""
        self._metrics.outbox(await self._database.read(table.backlog))
        await self._is_known(await self._broker.mark())
        self._leads = (
            await self._database.read(
                lambda reading: table.some_left_over(reading, self._outbox.relay, self._ago(LEFT_OVER_AFTER))
            )
            and await self._lease()
        )

    async def _lease(self) -> bool:
        now, until = self._ago(0), self._ago(-LEASE)
        return await self._database.transaction(lambda tx: table.lease(tx, self._outbox.relay, now, until))

    async def _waiting(self) -> Found:
        left_over = self._ago(LEFT_OVER_AFTER) if self._leads else -1
        return await self._database.read(lambda reading: table.waiting(reading, self._outbox.relay, left_over, AT_ONCE))

    async def _publish(self, found: Found) -> None:
        mark = await self._broker.publish([message for _, message in found])
        if not await self._is_known(mark):
            return
        now = self._ago(0)
        event_ids = [event_id for event_id, _ in found]
        await self._database.transaction(lambda tx: table.published(tx, event_ids, now))
        for type_, count in Counter(message.topic for _, message in found).items():
            self._metrics.published.count(type_, count)

    async def _is_known(self, mark: Mark) -> bool:
        """Whether the broker still has what it was given; if not, note what it may have lost."""
        if self._known is None:
            await self._database.transaction(lambda tx: table.know_first_mark(tx, mark))
            self._known = await self._database.read(table.known_mark)
        if mark == self._known:
            return True
        self._lost.append(await self._lost_between(self._known, mark))
        self._known = mark
        return False

    async def _lost_between(self, before: Mark, after: Mark) -> _Lost:
        if before.epoch != after.epoch:
            log.warning("the broker has lost everything, or a new group wants everything; it is sent again")
            return _Lost(0, self._ago(0))
        log.info("the broker was restarted; what was sent within a minute before is sent again")
        newest = await self._database.read(table.newest_published)
        return _Lost((newest or 0) - int(LOST_BY_CRASH * 1000), self._ago(0))

    async def _send_some_again(self) -> None:
        """Have a part of what was lost published again; once it is all, know the new broker, also after a restart."""
        lost, added_since = self._lost[0], self._ago(KEPT_FOR)
        again = await self._database.transaction(
            lambda tx: table.send_again(tx, lost.since, lost.until, added_since, AGAIN_AT_ONCE)
        )
        if again:
            self._look_at = self._clock.monotonic()
        if again == AGAIN_AT_ONCE:
            return
        self._lost.popleft()
        known = self._known
        if not self._lost and known is not None:
            await self._database.transaction(lambda tx: table.know_mark(tx, known))

    async def _rest(self) -> None:
        """Until there is something new, or it is time to look anyway."""
        await asyncio.sleep(GATHERING)  # of real time: it is about batches, not about moments
        if self._outbox.woken.is_set():
            return
        either: list[Coroutine[Any, Any, Any]] = [self._outbox.woken.wait(), self._clock.sleep(LOOK_EVERY)]
        tasks = [asyncio.create_task(coroutine) for coroutine in either]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _last_turn(self) -> None:
        with suppress(TimeoutError, *UNAVAILABLE):
            async with asyncio.timeout(LAST_TURN):
                await self.turn()
                if self._leads:
                    await self._database.transaction(lambda tx: table.end_lease(tx, self._outbox.relay))

    def _ago(self, seconds: float) -> int:
        """That moment, in milliseconds."""
        return to_millis(self._clock.now()) - int(seconds * 1000)
