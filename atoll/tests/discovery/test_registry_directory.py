import asyncio
from collections.abc import AsyncIterator

import pytest

from atoll.discovery.registry_directory import FIRST_LIST_SECONDS, RegistryDirectory
from atoll.registry.leases import HEARTBEAT_SECONDS, LEASE_SECONDS
from atoll.service import Service
from atoll.testing.clock import ManualClock
from atoll.testing.eventually import eventually
from atoll.testing.registries import RegistryUnderTest
from atoll.testing.scripted_server import Peer, ScriptedServer
from atoll.testing.serving import serving


@pytest.fixture
async def directory(registry: RegistryUnderTest, clock: ManualClock) -> AsyncIterator[RegistryDirectory]:
    async with RegistryDirectory(registry.url, clock=clock) as directory:
        yield directory


def urls(directory: RegistryDirectory, service: str = "users") -> list[str]:
    return [instance.url for instance in directory.instances(service)]


async def test_the_first_list_is_there_at_the_start(
    registry: RegistryUnderTest, directory: RegistryDirectory, instance: str, clock: ManualClock
) -> None:
    async with registry.registration("users", instance):
        await eventually(lambda: urls(directory))
        async with RegistryDirectory(registry.url, clock=clock) as later:
            assert urls(later) == [instance]


async def test_news_come_without_asking_again(
    registry: RegistryUnderTest, directory: RegistryDirectory, instance: str
) -> None:
    async with registry.registration("users", instance):
        await eventually(lambda: urls(directory) == [instance])
    await eventually(lambda: urls(directory) == [])


async def test_services_are_told_apart(
    registry: RegistryUnderTest, directory: RegistryDirectory, instance: str
) -> None:
    async with (
        serving(Service("orders")) as orders,
        registry.registration("users", instance),
        registry.registration("orders", orders),
    ):
        await eventually(lambda: urls(directory, "orders") and urls(directory, "users"))

        assert urls(directory, "orders") == [orders]
        assert urls(directory, "users") == [instance]
        assert urls(directory, "unknown") == []


async def test_an_instance_without_heartbeats_is_gone_with_its_lease(
    registry: RegistryUnderTest, directory: RegistryDirectory, instance: str, clock: ManualClock
) -> None:
    registration = registry.registration("users", instance)
    await registration.__aenter__()
    await eventually(lambda: urls(directory))
    registration._keeping.cancel()
    await clock.advance(LEASE_SECONDS)
    await eventually(lambda: not urls(directory))

    await registration.__aexit__(None, None, None)


async def test_a_start_waits_a_second_at_most_for_a_registry_that_is_away(
    registry: RegistryUnderTest, clock: ManualClock
) -> None:
    await registry.stop()
    directory = RegistryDirectory(registry.url, clock=clock)
    entering = asyncio.create_task(directory.__aenter__())
    await clock.wait_for_sleepers(1)
    await clock.advance(FIRST_LIST_SECONDS)
    await entering

    assert urls(directory) == []
    await directory.__aexit__(None, None, None)


async def test_the_last_list_stays_while_the_registry_is_away(
    registry: RegistryUnderTest, directory: RegistryDirectory, instance: str, clock: ManualClock
) -> None:
    async with registry.registration("users", instance):
        await eventually(lambda: urls(directory))
        await registry.stop()
        await clock.advance(10 * LEASE_SECONDS)

        assert urls(directory) == [instance]


async def test_a_registry_that_is_back_empty_removes_nobody_for_one_lease(
    registry: RegistryUnderTest, directory: RegistryDirectory, instance: str, clock: ManualClock
) -> None:
    async with registry.registration("users", instance) as registration:
        await eventually(lambda: urls(directory))
        registration._keeping.cancel()  # as if it were cut off from the registry
        await registry.stop()
        await registry.start()
        epoch_before = directory._known._epoch
        await _advance_until(clock, lambda: directory._known._epoch != epoch_before)
        kept = urls(directory)
        await clock.advance(LEASE_SECONDS)
        await eventually(lambda: not urls(directory))

        assert kept == [instance]


async def test_who_comes_back_to_a_new_registry_was_never_gone(
    registry: RegistryUnderTest, directory: RegistryDirectory, instance: str, clock: ManualClock
) -> None:
    async with registry.registration("users", instance):
        await eventually(lambda: urls(directory))
        before = directory.instances("users")[0].id
        await registry.stop()
        await registry.start()
        missed = False
        while directory.instances("users")[0].id == before:
            await clock.advance(HEARTBEAT_SECONDS / 5)
            await asyncio.sleep(0.01)
            missed = missed or urls(directory) != [instance]

        assert not missed
        await clock.advance(2 * LEASE_SECONDS)
        assert urls(directory) == [instance]


async def _advance_until(clock: ManualClock, condition: object) -> None:
    """Let time pass in small steps, with moments between them for what goes over sockets."""
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]
            await clock.advance(0.2)
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("answer", [b"", b"not json", b"{}", b'{"instances":[{}]}', b"[]"])
async def test_a_registry_that_answers_nonsense_changes_nothing(answer: bytes, clock: ManualClock) -> None:
    async def good_once(peer: Peer) -> None:
        await peer.request()
        await peer.answer(
            b'{"epoch":"e","cursor":"e.1","leaseSeconds":15,'
            b'"instances":[{"id":"i","name":"users","host":"127.0.0.1","port":1}]}'
        )
        await peer.request()
        await peer.answer(answer)
        await peer.gone()

    async with ScriptedServer(good_once) as server, RegistryDirectory(server.url, clock=clock) as directory:
        await clock.wait_for_sleepers(1)

        assert urls(directory) == ["http://127.0.0.1:1"]
        assert len(server.requests) == 2
