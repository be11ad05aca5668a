"""Waiting for what comes over a socket by itself, where a test has nothing to await."""

import asyncio
from collections.abc import Callable

_LOOK_EVERY = 0.002


async def eventually(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Return once `condition` holds; TimeoutError when it does not `within` so many seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(_LOOK_EVERY)
