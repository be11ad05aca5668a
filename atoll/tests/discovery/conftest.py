"""A registry and an instance on real sockets."""

from collections.abc import AsyncIterator

import pytest

from atoll.service import Service
from atoll.testing.clock import ManualClock
from atoll.testing.registries import RegistryUnderTest
from atoll.testing.serving import serving


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def registry(clock: ManualClock) -> AsyncIterator[RegistryUnderTest]:
    async with RegistryUnderTest(clock) as registry:
        yield registry


@pytest.fixture
async def instance() -> AsyncIterator[str]:
    """The URL of a running instance of users."""
    async with serving(Service("users")) as url:
        yield url
