"""The service under test as a real process."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from atoll.testing.service_process import ServiceProcess, service_process

PROGRAM = Path(__file__).with_name("small_service.py")


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[ServiceProcess]]]:
    """Starts the service under test with the settings given, on a free port; not waiting until it serves."""
    async with AsyncExitStack() as held:

        async def start_one(**settings: object) -> ServiceProcess:
            return await held.enter_async_context(service_process([sys.executable, str(PROGRAM)], settings))

        yield start_one


@pytest.fixture
async def service(start: Callable[..., Awaitable[ServiceProcess]]) -> ServiceProcess:
    """The service under test, serving."""
    return await (await start()).ready()
