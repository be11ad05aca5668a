"""What a service holds and does while it runs: its resources, and its background jobs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Self

from atoll.observability.logging import get_logger

Job = Callable[[], Awaitable[None]]
"""Work beside the requests, done until it returns, or until it is cancelled when the service stops."""

STOP_TIMEOUT = 5.0
"""Seconds that a cancelled job has to come to its end."""

log = get_logger()


class BackgroundJobs:
    """The running jobs of a service, by name: entering the context starts them, leaving cancels them.

    A job may return. An error that a job does not catch is logged whole, once, and is the `failure`; what
    to do about it is the owner's affair, who waits for `failed`.
    """

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = dict(jobs)
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed = asyncio.Event()
        self.failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        for name, job in self._jobs.items():
            task = asyncio.create_task(_run(job), name=name)
            task.add_done_callback(self._ended)
            self._tasks.add(task)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            stuck = (await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT))[1]
            for task in stuck:
                log.error("job does not stop", job=task.get_name(), seconds=STOP_TIMEOUT)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        log.error("job failed", job=task.get_name(), exc_info=task.exception())
        self.failure = self.failure or task.exception()
        self.failed.set()


@asynccontextmanager
async def running(
    resources: Sequence[AbstractAsyncContextManager[Any]] = (), jobs: Mapping[str, Job] | None = None
) -> AsyncIterator[BackgroundJobs]:
    """Enter `resources` in order, start `jobs`; in the end stop the jobs, leave the resources in reverse."""
    async with AsyncExitStack() as stack:
        for resource in resources:
            await stack.enter_async_context(resource)
        yield await stack.enter_async_context(BackgroundJobs(jobs or {}))


async def _run(job: Job) -> None:
    await job()
