"""In the background: forget events that were published long ago, and notes of those that were handled longer ago."""

from collections.abc import Callable, Coroutine
from typing import Any

from atoll.clock import Clock, to_millis
from atoll.events import inbox_table, outbox_table
from atoll.events.relay import KEPT_FOR
from atoll.events.unavailability import UNAVAILABLE
from atoll.observability.logging import get_logger
from atoll.storage import Database, Transaction

NOTES_KEPT_FOR = 2 * KEPT_FOR
"""Seconds: notes outlive the events that could come again, and their way through a broker."""

AT_ONCE = 500
"""How many in one transaction, so that nobody waits long behind it."""

PAUSE = 600.0

Forget = Callable[[Transaction, int, int], Coroutine[Any, Any, int]]

log = get_logger()


class ForgettingEvents:
    """A job for each service with an outbox or an inbox."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        """Every `PAUSE` seconds, until cancelled."""
        while True:
            try:
                await self.forget()
            except UNAVAILABLE as error:
                log.warning("old events stay for now", reason=str(error))
            await self._clock.sleep(PAUSE)

    async def forget(self) -> int:
        """Forget everything that is too old; returns how much there was."""
        return await self._all(outbox_table.forget, KEPT_FOR) + await self._all(inbox_table.forget, NOTES_KEPT_FOR)

    async def _all(self, forget: Forget, kept_for: float) -> int:
        until = to_millis(self._clock.now()) - int(kept_for * 1000)
        total = 0
        while True:
            forgotten = await self._database.transaction(lambda tx: forget(tx, until, AT_ONCE))
            total += forgotten
            if forgotten < AT_ONCE:
                return total
