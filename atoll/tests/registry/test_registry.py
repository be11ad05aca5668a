import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from atoll.calls.client import ServiceClient
from atoll.calls.errors import UpstreamProblem
from atoll.discovery.directory import FixedDirectory
from atoll.discovery.registry_api import (
    REGISTRY,
    Admission,
    Discovered,
    InstanceList,
    InstanceReport,
    InstanceReports,
    InstanceStatus,
    Renewal,
)
from atoll.identity.service_credential import ServiceCredential
from atoll.registry.app import create_registry
from atoll.registry.leases import HEARTBEAT_SECONDS, LEASE_SECONDS
from atoll.registry.routes import WATCH_SECONDS
from atoll.registry.settings import RegistrySettings
from atoll.service import Service
from atoll.settings import DEVELOPMENT_SECRET
from atoll.testing.clock import ManualClock
from atoll.testing.serving import serving


def announced(url: str, name: str = "users", **more: object) -> dict[str, object]:
    address = urlsplit(url)
    return {"name": name, "host": address.hostname, "port": address.port, **more}


async def register(registry: ServiceClient, url: str, name: str = "users", **more: object) -> str:
    admission = await registry.post("/register", announced(url, name, **more), into=Admission)
    return admission.service_id


async def next_list(registry: ServiceClient, after: InstanceList) -> InstanceList:
    return await registry.get("/watch", query={"since": after.cursor}, into=InstanceList)


async def listed(registry: ServiceClient) -> InstanceList:
    return await registry.get("/watch", into=InstanceList)


async def admitted(registry: ServiceClient, url: str, name: str = "users") -> str:
    before = await listed(registry)
    service_id = await register(registry, url, name)
    await next_list(registry, before)
    return service_id


async def reports(registry: ServiceClient, path: str = "/services") -> list[InstanceReport]:
    return list((await registry.get(path, into=InstanceReports)).items)


async def status_of(call: Any) -> int:
    with pytest.raises(UpstreamProblem) as caught:
        await call
    return caught.value.status


async def test_a_newcomer_is_told_how_long_its_lease_is(registry: ServiceClient, instance: str) -> None:
    answer = await registry.request("POST", "/register", body=announced(instance))

    assert answer.status == 201
    assert b'"serviceId":' in answer.body
    assert b'"leaseSeconds":15.0,"heartbeatSeconds":5.0' in answer.body


async def test_an_instance_is_discovered_once_it_answers_its_check(registry: ServiceClient, instance: str) -> None:
    service_id = await admitted(registry, instance)
    found = await registry.get("/discover/users", into=Discovered)

    assert (found.id, found.url) == (service_id, instance)


async def test_a_newcomer_that_does_not_answer_is_down_and_never_discovered(
    registry: ServiceClient, clock: ManualClock
) -> None:
    async with serving(Service("users")) as gone:
        pass
    await register(registry, gone)
    await clock.advance(3)

    assert [report.status for report in await reports(registry)] == [InstanceStatus.DOWN]
    assert await status_of(registry.get("/discover/users", into=Discovered)) == 404


async def test_a_newcomer_that_comes_to_life_later_is_listed_then(registry: ServiceClient, clock: ManualClock) -> None:
    async with serving(Service("users")) as url:
        port = urlsplit(url).port or 0
    before = await listed(registry)
    service_id = await register(registry, url)
    await clock.wait_for_sleepers(2)  # the expiry of leases, and the pause between two checks
    async with serving(Service("users"), port):
        await clock.advance(1)
        after = await next_list(registry, before)

    assert [one.id for one in after.instances] == [service_id]


async def test_an_instance_that_answers_as_another_service_is_not_listed(
    registry: ServiceClient, clock: ManualClock
) -> None:
    async with serving(Service("orders")) as url:
        await register(registry, url, name="users")
        await clock.wait_for_sleepers(2)

        assert (await listed(registry)).instances == ()


async def test_the_check_goes_to_the_path_that_was_announced(registry: ServiceClient, instance: str) -> None:
    before = await listed(registry)
    await register(registry, instance, health="/openapi.json")

    assert len((await next_list(registry, before)).instances) == 1


async def test_without_an_instance_the_answer_is_a_problem_in_the_contract_s_words(registry: ServiceClient) -> None:
    with pytest.raises(UpstreamProblem) as caught:
        await registry.get("/discover/users", into=Discovered)

    assert caught.value.status == 404
    assert caught.value.details.error == "No healthy instances of users found"


async def test_instances_are_discovered_in_turn(registry: ServiceClient) -> None:
    async with serving(Service("users")) as one, serving(Service("users")) as other:
        await admitted(registry, one)
        await admitted(registry, other)
        found = [(await registry.get("/discover/users", into=Discovered)).url for _ in range(4)]

    assert found == [one, other, one, other]


async def test_a_lease_without_heartbeats_runs_out(registry: ServiceClient, instance: str, clock: ManualClock) -> None:
    await admitted(registry, instance)
    await clock.advance(LEASE_SECONDS)

    assert await reports(registry) == []


async def test_heartbeats_keep_a_lease(registry: ServiceClient, instance: str, clock: ManualClock) -> None:
    service_id = await admitted(registry, instance)
    for _ in range(6):
        await clock.advance(HEARTBEAT_SECONDS)
        renewal = await registry.post(f"/heartbeat/{service_id}", into=Renewal)
        assert renewal.status is InstanceStatus.UP

    assert len((await listed(registry)).instances) == 1


async def test_a_heartbeat_of_nobody_is_answered_404(
    registry: ServiceClient, instance: str, clock: ManualClock
) -> None:
    service_id = await admitted(registry, instance)
    await clock.advance(LEASE_SECONDS)

    assert await status_of(registry.post(f"/heartbeat/{service_id}")) == 404
    assert await status_of(registry.post("/heartbeat/unknown")) == 404


async def test_who_leaves_is_gone(registry: ServiceClient, instance: str) -> None:
    service_id = await admitted(registry, instance)
    answer = await registry.request("DELETE", f"/register/{service_id}")
    again = await registry.request("DELETE", f"/register/{service_id}")

    assert (answer.status, again.status) == (204, 204)
    assert await reports(registry) == []


async def test_a_draining_instance_is_shown_and_not_discovered(registry: ServiceClient, instance: str) -> None:
    service_id = await admitted(registry, instance)
    await registry.post(f"/heartbeat/{service_id}", query={"draining": True})

    assert [report.status for report in await reports(registry)] == [InstanceStatus.DRAINING]
    assert await status_of(registry.get("/discover/users", into=Discovered)) == 404


async def test_the_reports_say_everything(registry: ServiceClient, instance: str, clock: ManualClock) -> None:
    before = await listed(registry)
    registered_at = clock.now()
    service_id = await register(registry, instance, version="1.2", metadata={"zone": "a"})
    await next_list(registry, before)
    await clock.advance(2.5)
    address = urlsplit(instance)

    assert await reports(registry, "/services/users") == [
        InstanceReport(
            id=service_id,
            name="users",
            host="127.0.0.1",
            port=address.port or 0,
            url=instance,
            version="1.2",
            metadata={"zone": "a"},
            status=InstanceStatus.UP,
            registered_at=registered_at,
            heartbeat_age_seconds=2.5,
        )
    ]
    assert await reports(registry, "/services/orders") == []


async def test_health_counts_the_registered(registry: ServiceClient, instance: str) -> None:
    await register(registry, instance)
    health = await registry.get("/health", into=dict[str, Any])

    assert (health["status"], health["service"], health["registeredServices"]) == ("healthy", "registry", 1)
    assert {"timestamp", "uptime", "memory", "pid", "version"} < health.keys()


async def test_only_services_of_the_system_may_change_something(url: str, instance: str, clock: ManualClock) -> None:
    directory = FixedDirectory({REGISTRY: url})
    stranger = ServiceCredential("another secret, of another system", "users", clock=clock)
    ours = ServiceCredential(DEVELOPMENT_SECRET.reveal(), "users", clock=clock)
    for credential in (None, stranger.token_for, lambda _: ours.token_for("orders")):
        async with ServiceClient(REGISTRY, directory, credential=credential) as client:
            assert await status_of(client.post("/register", announced(instance))) == 401
            assert await status_of(client.post("/heartbeat/x")) == 401
            assert await status_of(client.delete("/register/x")) == 401
            assert (await listed(client)).instances == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "Users"),
        ("name", "../users"),
        ("host", ""),
        ("host", "a host"),
        ("host", "user@host"),
        ("host", "host/path"),
        ("port", 0),
        ("port", 65536),
        ("port", "3001"),
        ("health", "health"),
        ("health", "http://elsewhere/health"),
        ("health", "/health with spaces"),
        ("health", "/health\r\nX: y"),
        ("unknown", "field"),
    ],
)
async def test_nonsense_is_refused_with_the_field_that_is_wrong(
    field: str, value: object, registry: ServiceClient
) -> None:
    body = announced("http://127.0.0.1:3001") | {field: value}
    with pytest.raises(UpstreamProblem) as caught:
        await registry.post("/register", body)

    assert caught.value.status == 422
    assert [mistake.pointer for mistake in caught.value.details.errors] == [f"/{field}"]


async def test_a_watcher_without_a_cursor_is_answered_at_once(registry: ServiceClient) -> None:
    assert (await listed(registry)).instances == ()


async def test_a_watcher_from_another_epoch_is_answered_at_once(registry: ServiceClient) -> None:
    now = await listed(registry)
    told = await registry.get("/watch", query={"since": "another-epoch.0"}, into=InstanceList)

    assert told == now


async def test_a_watcher_is_told_of_a_lease_in_the_moment_it_runs_out(
    registry: ServiceClient, instance: str, clock: ManualClock
) -> None:
    await admitted(registry, instance)
    before = await listed(registry)
    watching = asyncio.create_task(next_list(registry, before))
    await clock.wait_for_sleepers(2)
    await clock.advance(LEASE_SECONDS)

    assert (await watching).instances == ()


async def test_heartbeats_are_no_news(registry: ServiceClient, instance: str, clock: ManualClock) -> None:
    service_id = await admitted(registry, instance)
    before = await listed(registry)
    watching = asyncio.create_task(next_list(registry, before))
    await clock.wait_for_sleepers(2)
    await registry.post(f"/heartbeat/{service_id}")
    was_told_nothing = not watching.done()
    await registry.delete(f"/register/{service_id}")

    assert was_told_nothing
    assert (await watching).instances == ()


async def test_a_watcher_is_answered_in_the_end_without_news(registry: ServiceClient, clock: ManualClock) -> None:
    before = await listed(registry)
    watching = asyncio.create_task(next_list(registry, before))
    await clock.wait_for_sleepers(2)
    await clock.advance(WATCH_SECONDS)

    assert await watching == before


@pytest.mark.parametrize("wait", ["-1", "31", "long", "nan", "inf"])
async def test_a_watcher_that_wants_to_wait_for_ever_is_refused(wait: str, registry: ServiceClient) -> None:
    assert await status_of(registry.get("/watch", query={"wait": wait}, into=InstanceList)) == 422


async def test_a_registry_that_stops_answers_its_watchers_first(clock: ManualClock) -> None:
    program = create_registry(RegistrySettings(port=0), clock=clock)
    listener = program.listeners["port"]
    async with program.service.running():
        address = await listener.start()
        directory = FixedDirectory({REGISTRY: f"http://{address.host}:{address.port}"})
        async with ServiceClient(REGISTRY, directory) as client:
            before = await listed(client)
            watching = asyncio.create_task(next_list(client, before))
            await clock.wait_for_sleepers(2)
            await listener.stop_accepting()

            assert await watching == before
            await listener.drain(5.0)


async def test_one_that_leaves_is_answered_when_everyone_who_watches_knows(
    registry: ServiceClient, instance: str, clock: ManualClock
) -> None:
    service_id = await admitted(registry, instance)
    known = (await registry.get("/watch", query={"watcher": "w"}, into=InstanceList)).cursor
    watching = asyncio.create_task(
        registry.get("/watch", query={"watcher": "w", "since": known}, into=InstanceList, timeout=20)
    )
    await clock.wait_for_sleepers(2)
    draining = asyncio.create_task(
        registry.post(f"/heartbeat/{service_id}", query={"draining": True}, into=Renewal, timeout=20)
    )
    news = await watching
    assert news.instances == ()
    assert not draining.done()

    again = asyncio.create_task(
        registry.get("/watch", query={"watcher": "w", "since": news.cursor}, into=InstanceList, timeout=20)
    )
    assert (await draining).status is InstanceStatus.DRAINING
    again.cancel()
    await asyncio.gather(again, return_exceptions=True)


async def test_nobody_waits_for_a_watcher_that_said_goodbye(registry: ServiceClient, instance: str) -> None:
    service_id = await admitted(registry, instance)
    await registry.get("/watch", query={"watcher": "w"}, into=InstanceList)
    await registry.get("/watch", query={"watcher": "w", "last": True}, into=InstanceList)

    renewal = await registry.post(f"/heartbeat/{service_id}", query={"draining": True}, into=Renewal)
    assert renewal.status is InstanceStatus.DRAINING


async def test_a_watcher_that_is_silent_is_waited_for_a_second(
    registry: ServiceClient, instance: str, clock: ManualClock
) -> None:
    service_id = await admitted(registry, instance)
    await registry.get("/watch", query={"watcher": "w"}, into=InstanceList)
    asleep = clock.sleepers
    draining = asyncio.create_task(registry.post(f"/heartbeat/{service_id}", query={"draining": True}, into=Renewal))
    await clock.wait_for_sleepers(asleep + 1)
    await clock.advance(1.0)

    assert (await draining).status is InstanceStatus.DRAINING
