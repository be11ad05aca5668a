"""Waiting for an event, but not for ever."""

import asyncio

from atoll.clock import Clock


async def wait_at_most(seconds: float, event: asyncio.Event, clock: Clock) -> None:
    """Return when the event happens, and after so many seconds in any case."""
    waits = [asyncio.create_task(event.wait()), asyncio.create_task(clock.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
