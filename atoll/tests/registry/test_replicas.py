"""Two registries that share their list in a real Valkey server, and callers that know both."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest

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
from atoll.testing.valkey_server import ValkeyToBreak, valkey_server


class Replicas:
    """Registries on one list; each stops when it is told to."""

    def __init__(self, valkey: ValkeyToBreak, held: AsyncExitStack) -> None:
        self.valkey = valkey
        self._held = held
        self._running: dict[str, AsyncExitStack] = {}

    async def start(self) -> str:
        settings = RegistrySettings(port=0, list_url=self.valkey.url)
        running = await self._held.enter_async_context(AsyncExitStack())
        url = await running.enter_async_context(serving(create_registry(settings)))
        self._running[url] = running
        return url

    async def stop(self, url: str) -> None:
        await self._running[url].aclose()


@pytest.fixture
async def replicas() -> AsyncIterator[Replicas]:
    async with valkey_server() as valkey, AsyncExitStack() as held:
        yield Replicas(valkey, held)


@pytest.fixture
async def instance() -> AsyncIterator[str]:
    async with serving(Service("users")) as url:
        yield url


def registration(address: str, instance: str) -> Registration:
    parts = urlsplit(instance)
    announcement = Announcement(name="users", host=parts.hostname or "", port=parts.port or 80)
    return Registration(address, announcement, ServiceCredential(DEVELOPMENT_SECRET.reveal(), "users"))


def urls(directory: RegistryDirectory) -> list[str]:
    return [one.url for one in directory.instances("users")]


async def test_what_one_replica_is_told_the_watchers_of_the_other_know_within_a_second(
    replicas: Replicas, instance: str
) -> None:
    one, other = await replicas.start(), await replicas.start()
    async with RegistryDirectory(other) as directory, registration(one, instance) as registered:
        await eventually(lambda: registered.instance_id)
        began = time.monotonic()
        await eventually(lambda: urls(directory) == [instance])

        assert time.monotonic() - began < 2.0  # a second, and the machine may be busy


async def test_when_a_replica_is_gone_its_callers_go_on_with_the_other(replicas: Replicas, instance: str) -> None:
    one, other = await replicas.start(), await replicas.start()
    both = f"{one},{other}"
    async with RegistryDirectory(both) as directory, registration(both, instance) as registered:
        await eventually(lambda: urls(directory) == [instance])
        known_as, before = registered.instance_id, directory.instances("users")
        await replicas.stop(one)
        async with registration(both, "http://127.0.0.1:9") as newcomer:
            await eventually(lambda: newcomer.instance_id)

        assert registered.instance_id == known_as
        assert directory.instances("users") is before


async def test_without_the_shared_list_each_goes_on_and_then_they_know_the_same_again(
    replicas: Replicas, instance: str
) -> None:
    one, other = await replicas.start(), await replicas.start()
    async with RegistryDirectory(one) as of_one, RegistryDirectory(other) as of_other:
        await replicas.valkey.kill()
        async with registration(one, instance) as registered:
            await eventually(lambda: urls(of_one) == [instance])
            alone = urls(of_other)
            await replicas.valkey.start()
            await eventually(lambda: urls(of_other) == [instance])

            assert alone == []
            assert of_other.instances("users")[0].id == registered.instance_id


async def test_a_list_that_is_wiped_forgets_nobody(replicas: Replicas, instance: str) -> None:
    one, other = await replicas.start(), await replicas.start()
    async with RegistryDirectory(other) as directory, registration(one, instance):
        await eventually(lambda: urls(directory) == [instance])
        before = directory.instances("users")
        await replicas.valkey.wipe()
        third = await replicas.start()
        async with RegistryDirectory(third) as of_third:
            await eventually(lambda: urls(of_third) == [instance])

        assert directory.instances("users") is before


async def test_a_registry_starts_without_its_list(replicas: Replicas, instance: str) -> None:
    await replicas.valkey.stop()
    alone = await replicas.start()
    async with RegistryDirectory(alone) as directory, registration(alone, instance):
        await eventually(lambda: urls(directory) == [instance])

        assert urls(directory) == [instance]


async def test_what_another_version_wrote_is_passed_over(replicas: Replicas, instance: str) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(replicas.valkey.url) as client:
        await client.hset("atoll:registry", mapping={"x": b"{}", "y": b"nonsense"})
    one = await replicas.start()
    async with RegistryDirectory(one) as directory, registration(one, instance):
        await eventually(lambda: urls(directory) == [instance])

        assert urls(directory) == [instance]
