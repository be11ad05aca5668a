"""A registry on a real socket, that asks real instances whether they are there."""

from collections.abc import AsyncIterator

import pytest

from atoll.calls.client import ServiceClient
from atoll.discovery.directory import FixedDirectory
from atoll.discovery.registry_api import REGISTRY
from atoll.identity.service_credential import ServiceCredential
from atoll.registry.app import create_registry
from atoll.registry.settings import RegistrySettings
from atoll.service import Service
from atoll.settings import DEVELOPMENT_SECRET
from atoll.testing.clock import ManualClock
from atoll.testing.serving import serving


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def url(clock: ManualClock) -> AsyncIterator[str]:
    async with serving(create_registry(RegistrySettings(port=0), clock=clock)) as url:
        yield url


@pytest.fixture
async def registry(url: str, clock: ManualClock) -> AsyncIterator[ServiceClient]:
    credential = ServiceCredential(DEVELOPMENT_SECRET.reveal(), "users", clock=clock)
    directory = FixedDirectory({REGISTRY: url})
    async with ServiceClient(REGISTRY, directory, credential=credential.token_for) as client:
        yield client


@pytest.fixture
async def instance() -> AsyncIterator[str]:
    """The URL of a running instance of users."""
    async with serving(Service("users")) as url:
        yield url
