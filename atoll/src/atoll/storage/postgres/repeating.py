"""Trying again what was interrupted, when nothing of it is there."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from atoll.storage.postgres.errors import Interrupted

T = TypeVar("T")

MOST_ATTEMPTS = 10
FIRST_PAUSE = 0.002
LONGEST_PAUSE = 0.1
"""Seconds. Two that have met in a deadlock should not meet there again."""


async def repeating(attempt: Callable[[], Awaitable[T]]) -> T:
    """What `attempt` returns or raises; again after `Interrupted`, `MOST_ATTEMPTS` times in all."""
    for number in range(MOST_ATTEMPTS - 1):
        try:
            return await attempt()
        except Interrupted:
            await asyncio.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**number)))  # noqa: S311 - jitter
    return await attempt()
