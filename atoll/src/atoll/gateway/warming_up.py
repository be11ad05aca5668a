"""Knowing the services and their keys before anybody is let in: who waits at the door is not to be refused for it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from atoll.clock import Clock
from atoll.observability.health import Check
from atoll.problems import Problem

LONGEST = 10.0
"""Seconds: twice a heartbeat, within which a registry that is new itself hears of everybody. What is missing then may
be away for long, and the rest can be served."""

_LOOK_EVERY = 0.02


@asynccontextmanager
async def warmed_up(checks: Iterable[Check], clock: Clock) -> AsyncIterator[None]:
    """Entered when every check has passed, or after `LONGEST`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST):
            for check in checks:
                await _passed(check, clock)
    yield


async def _passed(check: Check, clock: Clock) -> None:
    while True:
        try:
            await check()
        except Problem:
            await clock.sleep(_LOOK_EVERY)
        else:
            return
