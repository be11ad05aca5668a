import asyncio

import pytest

from atoll.calls.client import ServiceClient
from atoll.discovery.directory import FixedDirectory
from atoll.discovery.registration import Registration
from atoll.discovery.registry_api import (
    REGISTRY,
    Announcement,
    InstanceReport,
    InstanceReports,
    InstanceStatus,
)
from atoll.identity.service_credential import ServiceCredential
from atoll.registry.leases import HEARTBEAT_SECONDS, LEASE_SECONDS
from atoll.testing.clock import ManualClock
from atoll.testing.eventually import eventually
from atoll.testing.registries import RegistryUnderTest
from atoll.testing.scripted_server import Peer, ScriptedServer


async def reports(registry: RegistryUnderTest) -> list[InstanceReport]:
    async with ServiceClient(REGISTRY, FixedDirectory({REGISTRY: registry.url})) as client:
        return list((await client.get("/services", into=InstanceReports)).items)


async def test_an_instance_is_registered_while_it_is_there(registry: RegistryUnderTest, instance: str) -> None:
    async with registry.registration("users", instance) as registration:
        await eventually(lambda: registration.instance_id)
        within = await reports(registry)

        assert [(report.id, report.url) for report in within] == [(registration.instance_id, instance)]
    assert await reports(registry) == []


async def test_heartbeats_keep_it_registered(registry: RegistryUnderTest, instance: str, clock: ManualClock) -> None:
    async with registry.registration("users", instance) as registration:
        await eventually(lambda: registration.instance_id)
        first = registration.instance_id
        for _ in range(int(3 * LEASE_SECONDS / HEARTBEAT_SECONDS)):
            # the expiry of leases, and the rest of the registration between two heartbeats
            await clock.wait_for_sleepers(2)
            await clock.advance(HEARTBEAT_SECONDS)
        await clock.wait_for_sleepers(2)

        assert [report.id for report in await reports(registry)] == [first]


async def test_a_registry_that_has_forgotten_it_is_told_again(
    registry: RegistryUnderTest, instance: str, clock: ManualClock
) -> None:
    async with registry.registration("users", instance) as registration:
        await eventually(lambda: registration.instance_id)
        first = registration.instance_id
        await registry.stop()
        await registry.start()
        await clock.advance(HEARTBEAT_SECONDS)
        await eventually(lambda: registration.instance_id not in (None, first))

        assert [report.id for report in await reports(registry)] == [registration.instance_id]


async def test_it_keeps_trying_while_the_registry_is_away(
    registry: RegistryUnderTest, instance: str, clock: ManualClock
) -> None:
    await registry.stop()
    async with registry.registration("users", instance) as registration:
        for _ in range(5):
            await clock.wait_for_sleepers(1)
            await clock.advance(5.0)
        await registry.start()
        while registration.instance_id is None:
            await clock.advance(1.0)
            await asyncio.sleep(0.005)

        assert len(await reports(registry)) == 1


async def test_leaving_works_without_a_registry(registry: RegistryUnderTest, instance: str) -> None:
    async with registry.registration("users", instance) as registration:
        await eventually(lambda: registration.instance_id)
        await registry.stop()


async def test_leaving_before_anything_was_said_says_nothing(registry: RegistryUnderTest, instance: str) -> None:
    async with registry.registration("users", instance):
        pass

    assert await reports(registry) == []


async def test_a_draining_instance_is_shown_as_such(registry: RegistryUnderTest, instance: str) -> None:
    async with registry.registration("users", instance) as registration:
        await eventually(lambda: registration.instance_id)
        await registration.drain()

        assert [report.status for report in await reports(registry)] == [InstanceStatus.DRAINING]


async def test_a_registration_under_way_is_finished_and_taken_back(clock: ManualClock) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow_registry(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await may_answer.wait()
        await peer.answer(b'{"serviceId":"i1","leaseSeconds":15,"heartbeatSeconds":5,"epoch":"e"}', status=201)
        await peer.request()
        await peer.answer(b'{"serviceId":"i1","status":"DRAINING","epoch":"e"}')
        await peer.request()
        await peer.answer(status=204)
        await peer.gone()

    async with ScriptedServer(slow_registry) as server:
        registration = registration_at(server.url, clock)
        await registration.__aenter__()
        await asked.wait()
        leaving = asyncio.create_task(registration.__aexit__(None, None, None))
        await asyncio.sleep(0)
        may_answer.set()
        await leaving

    assert [(one.method, one.target) for one in server.requests] == [
        ("POST", "/register"),
        ("POST", "/heartbeat/i1?draining=true"),
        ("DELETE", "/register/i1"),
    ]


@pytest.mark.parametrize("answer", [b"", b"not json", b"{}", b'{"serviceId":"x"}', b"[]"])
async def test_a_registry_that_answers_nonsense_is_as_good_as_none(answer: bytes, clock: ManualClock) -> None:
    async def nonsense(peer: Peer) -> None:
        await peer.request()
        await peer.answer(answer, status=201)
        await peer.gone()

    async with ScriptedServer(nonsense) as server, registration_at(server.url, clock) as registration:
        await clock.wait_for_sleepers(1)

        assert registration.instance_id is None


async def test_a_registry_that_refuses_does_not_disturb(clock: ManualClock) -> None:
    async def refuse(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(status=401)

    async with ScriptedServer(refuse) as server, registration_at(server.url, clock) as registration:
        await clock.wait_for_sleepers(1)
        await clock.advance(60)
        await eventually(lambda: len(server.requests) > 1)

        assert registration.instance_id is None


def registration_at(url: str, clock: ManualClock) -> Registration:
    credential = ServiceCredential("a secret of the tests, long enough", "users", clock=clock)
    return Registration(url, Announcement(name="users", host="127.0.0.1", port=1), credential, clock=clock)
