"""The lifespan of a service: resources entered in order and left in reverse, and jobs between."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Literal, TypeAlias

from atoll.observability.logging import get_logger

Job: TypeAlias = Callable[[], Awaitable[None]]
"""Work beside the requests: from the start of the service until it returns, or is cancelled at the stop."""

JOB_STOP_TIMEOUT = 5.0
"""Seconds that a cancelled job has to come to its end."""

log = get_logger()


class ResourceFailed(Exception):
    """A resource failed at one half of its life; its own error is the `__cause__`."""

    def __init__(self, resource: object, half: Literal["start", "stop"], error: BaseException) -> None:
        super().__init__(f"{named(resource)} failed to {half}: {str(error) or type(error).__name__}")
        self.resource = resource
        self.half = half


class JobFailed(Exception):
    """A job ended by an error that it did not catch; that error is the `__cause__`."""

    def __init__(self, job: str, error: Exception) -> None:
        super().__init__(f"The job {job} failed: {error!r}")
        self.job = job
        self.__cause__ = error


@asynccontextmanager
async def entered(resources: Sequence[AbstractAsyncContextManager[Any]]) -> AsyncIterator[None]:
    """Enter the resources in order, and leave them in reverse, every one of them, whatever fails.

    Raises `ResourceFailed` for the one that fails to start, when those before it are closed; and for one that
    fails to stop, when all others are closed. Resources are not told of errors outside of them.
    """
    async with AsyncExitStack() as stack:
        for resource in resources:
            await stack.enter_async_context(_Named(resource))
        yield


class _Named(AbstractAsyncContextManager[None]):
    """A resource whose failures say which one it was, and at which half."""

    def __init__(self, resource: AbstractAsyncContextManager[Any]) -> None:
        self._resource = resource

    async def __aenter__(self) -> None:
        try:
            await self._resource.__aenter__()
        except Exception as error:
            raise ResourceFailed(self._resource, "start", error) from error

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._resource.__aexit__(None, None, None)
        except Exception as error:
            log.exception("resource failed to stop", resource=named(self._resource))
            raise ResourceFailed(self._resource, "stop", error) from error


def named(resource: object) -> str:
    """How a resource is called in messages: by its `@asynccontextmanager` function, its own `repr`, or its class."""
    if inspect.isasyncgen(steps := getattr(resource, "gen", None)):
        return steps.__name__
    tells_itself = type(resource).__repr__ is not object.__repr__
    return repr(resource) if tells_itself else type(resource).__qualname__


class Jobs:
    """The background jobs of one service, by name."""

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = dict(jobs)
        self._failed = asyncio.Event()
        self._failure: JobFailed | None = None

    def __repr__(self) -> str:
        state = f", {self._failure.job} has failed" if self._failure else ""
        return f"<Jobs: {', '.join(self._jobs) or 'none'}{state}>"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start every job; at the end cancel those that still run, and wait until they have ended."""
        tasks = [asyncio.create_task(self._run(name, job), name=name) for name, job in self._jobs.items()]
        try:
            yield
        finally:
            await _stop(tasks)

    async def failure(self) -> JobFailed:
        """Wait for the first job that fails, perhaps for ever."""
        await self._failed.wait()
        assert self._failure is not None  # noqa: S101 - set before the event
        return self._failure

    async def _run(self, name: str, job: Job) -> None:
        try:
            await job()
        except Exception as error:
            log.exception("job failed", job=name)
            self._failure = self._failure or JobFailed(name, error)
            self._failed.set()


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        _, stuck = await asyncio.wait(tasks, timeout=JOB_STOP_TIMEOUT)
        for task in stuck:
            log.error("job does not stop", job=task.get_name(), seconds=JOB_STOP_TIMEOUT)
