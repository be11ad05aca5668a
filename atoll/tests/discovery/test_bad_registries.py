"""A registry that is slow, silent or says nonsense on a real connection disturbs nobody."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from atoll.calls import ServiceClient
from atoll.discovery.configured import ConfiguredDirectory
from atoll.discovery.registration import Registration
from atoll.discovery.registry_api import Announcement
from atoll.discovery.registry_directory import RegistryDirectory
from atoll.identity.service_credential import ServiceCredential
from atoll.registry.app import create_registry
from atoll.registry.settings import RegistrySettings
from atoll.service import Service
from atoll.settings import DEVELOPMENT_SECRET
from atoll.testing.eventually import eventually
from atoll.testing.serving import serving
from atoll.testing.tcp_relay import BlackHole, Fault, Garbage, Reset, SlowBytes, TcpRelay

FAULTS = [BlackHole(), SlowBytes(0.5), Reset(), Garbage()]


@pytest.fixture
async def relay() -> AsyncIterator[TcpRelay]:
    async with serving(create_registry(RegistrySettings(port=0))) as url, TcpRelay(url) as relay:
        yield relay


@pytest.fixture
async def instance() -> AsyncIterator[str]:
    async with serving(Service("users")) as url:
        yield url


def registration(relay: TcpRelay, instance: str) -> Registration:
    address = urlsplit(instance)
    announcement = Announcement(name="users", host=address.hostname or "", port=address.port or 80)
    return Registration(relay.url, announcement, ServiceCredential(DEVELOPMENT_SECRET.reveal(), "users"))


@pytest.mark.parametrize("fault", FAULTS)
async def test_calls_go_on_with_the_last_list(fault: Fault, relay: TcpRelay, instance: str) -> None:
    async with (
        asyncio.timeout(30),
        registration(relay, instance),
        RegistryDirectory(relay.url) as directory,
        ServiceClient("users", directory) as users,
    ):
        await eventually(lambda: directory.instances("users"))
        relay.fault = fault
        relay.cut()

        for _ in range(20):
            assert (await users.request("GET", "/health")).status == 200
        relay.cut()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_start_and_a_stop_wait_for_no_more_than_a_moment(fault: Fault, relay: TcpRelay, instance: str) -> None:
    relay.fault = fault
    began = time.monotonic()
    async with asyncio.timeout(30), registration(relay, instance), ConfiguredDirectory({}, relay.url) as directory:
        started = time.monotonic() - began

        assert list(directory.instances("users")) == []
        assert started < 5.0  # a second, and the machine may be busy
        began = time.monotonic()
    assert time.monotonic() - began < 10.0  # 2 s for each word of the farewell, and the machine may be busy
