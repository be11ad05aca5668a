"""Reads what the broker has for a service, and hands it to the inbox.

    read many ──► inbox: effect and note, durable ──► acknowledge
                    └─ what fails is set aside, durable, and acknowledged too

A crash anywhere means that something is read again, and passed over. While the database or the broker is away,
everything waits where it is.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from atoll.clock import Clock
from atoll.events.broker import Broker, BrokerUnavailable, Delivery
from atoll.events.inbox import Inbox
from atoll.events.metrics import EventMetrics
from atoll.events.unavailability import UNAVAILABLE, BackOff

AT_ONCE = 100
WAIT = 2.0
"""Seconds that a read waits for messages."""

LOOK_EVERY = 5.0
FINISH_WITHIN = 2.0
"""Seconds for what is in hand when we are told to stop."""


class Subscriber:
    """One process' part in the group of its service. `concurrency` bounds the transactions that run at once."""

    def __init__(
        self,
        group: str,
        topics: Sequence[str],
        inbox: Inbox,
        broker: Broker,
        *,
        metrics: EventMetrics,
        clock: Clock,
        consumer: str,
        concurrency: int = 1,
    ) -> None:
        self._group = group
        self._topics = topics
        self._inbox = inbox
        self._broker = broker
        self._metrics = metrics
        self._clock = clock
        self._concurrency = concurrency
        self._subscription = broker.subscribe(group, topics, consumer=consumer)

    def __repr__(self) -> str:
        return f"<Subscriber {self._group}: {self._subscription!r}>"

    async def run(self) -> None:
        """Handle events until cancelled; then finish what is in hand, or give it back."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._concurrency):
                    tasks.create_task(self._pull())
        finally:
            with suppress(BrokerUnavailable, TimeoutError):
                async with asyncio.timeout(FINISH_WITHIN):
                    await self._subscription.release()

    async def watch(self) -> None:
        """Measure what waits at the broker every `LOOK_EVERY` seconds, until cancelled."""
        while True:
            with suppress(BrokerUnavailable):  # told by those who need it
                self._metrics.unacknowledged(await self._broker.backlog(self._group, self._topics))
            await self._clock.sleep(LOOK_EVERY)

    async def _pull(self) -> None:
        back_off = BackOff(f"events for {self._group}", self._clock)
        while True:
            try:
                deliveries = await self._subscription.read(AT_ONCE, wait=WAIT)
                if deliveries:
                    await _to_the_end(self._deal_with(deliveries, back_off))
            except BrokerUnavailable as error:
                await back_off.pause(error)
            else:
                back_off.went_well()

    async def _deal_with(self, deliveries: Sequence[Delivery], back_off: BackOff) -> None:
        """Keep them until they are dealt with: the broker need not be asked again while the database is away."""
        while True:
            try:
                await self._inbox.take(deliveries)
                break
            except UNAVAILABLE as error:
                await back_off.pause(error)
        await self._subscription.acknowledge(deliveries)


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Do the work; when cancelled, let it come to its end first, if that takes no longer than `FINISH_WITHIN`."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=FINISH_WITHIN)
        task.cancel()
        await asyncio.wait([task])
        raise
