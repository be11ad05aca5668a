"""Waiting until services that run can also do their work."""

import asyncio
from collections.abc import Mapping

from atoll.runner.probe import ask

READY_WITHIN = 10.0
_LOOK_EVERY = 0.02

UNREADY = 503
"""What a service answers at `/ready` while it misses something; who has no such page is taken as ready."""


async def unready_services(urls: Mapping[str, str], within: float = READY_WITHIN) -> list[str]:
    """Wait until every service at `urls` is ready, at most so many seconds; return those that still are not."""
    waiting = {name: asyncio.create_task(_until_ready(url)) for name, url in urls.items()}
    if waiting:
        await asyncio.wait(waiting.values(), timeout=within)
    for task in waiting.values():
        task.cancel()
    return [name for name, task in waiting.items() if not task.done() or task.cancelled()]


async def _until_ready(url: str) -> None:
    while (await ask(f"{url}/ready")).status == UNREADY:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(_LOOK_EVERY)
