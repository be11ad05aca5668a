"""Several things at once, of which the first failure ends all."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def all_at_once(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Return when all are done. When one fails the others are cancelled, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
