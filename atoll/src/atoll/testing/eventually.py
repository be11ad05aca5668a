"""Waiting for what comes over a socket by itself, where a test has nothing to await."""

import asyncio
import inspect
from collections.abc import Callable

_LOOK_EVERY = 0.002


async def eventually(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Return once `condition` holds; TimeoutError when it does not `within` so many seconds.

    A condition that is an async function is awaited.
    """
    async with asyncio.timeout(within):
        while not await _value_of(condition()):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(_LOOK_EVERY)


async def _value_of(outcome: object) -> object:
    return await outcome if inspect.isawaitable(outcome) else outcome
