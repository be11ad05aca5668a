"""Too much to do: what matters least is refused first, health never, and all is well again soon after."""

import asyncio
import contextlib
import itertools
import random
import time
from typing import Any

import pytest

from atoll.gateway.overload import HIGHEST_PRESSURE, LONG_ENOUGH, LONGEST_REST, LOOK_EVERY, MORE, Overload, Priority
from atoll.gateway.settings import RouteSettings
from atoll.testing.eventually import eventually
from atoll.testing.raw_http import connected
from atoll.testing.scripted_server import Peer, ScriptedServer, answer_all

Instances = Any
OpenDoor = Any

ROUTES = (
    RouteSettings(path="/browse", to="things", access="public", priority="low"),
    RouteSettings(path="/things", to="things", access="public"),
    RouteSettings(path="/order", to="things", access="public", priority="high"),
)


METRICS_LINE = 'atoll_call_connections_in_use{{peer_service="things"}} {}.0'


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def refused_of(overload: Overload, priority: Priority, times: int = 2000) -> float:
    """The share of requests of that priority that are refused."""
    if not overload.pressure:
        return 0.0
    return sum(overload.refuses(priority) for _ in range(times)) / times


def test_one_long_turn_of_the_loop_is_no_overload() -> None:
    overload = Overload(0.1)
    for delay in (5.0, 0.0, 0.11, 0.11, 0.09, 0.11, 0.11):
        overload.note(delay)

    assert overload.pressure == 0.0


@pytest.mark.parametrize("delay", [0.11, 0.3, 2.0])
def test_it_is_time_that_counts_and_not_how_many_turns_the_loop_took_meanwhile(delay: float) -> None:
    overload = Overload(0.1)
    overload.note(delay)
    passed = 0.0
    while passed < LONG_ENOUGH + HIGHEST_PRESSURE / MORE + LOOK_EVERY + delay:
        overload.note(delay)
        passed += LOOK_EVERY + delay

    assert overload.pressure == HIGHEST_PRESSURE


def test_the_longer_it_lasts_the_more_is_refused_in_the_order_of_priorities() -> None:
    overload = Overload(0.1, random.Random(1))  # noqa: S311 - the same each time
    shares = []
    for _ in range(30):
        overload.note(0.11)
        shares.append(tuple(refused_of(overload, each) for each in Priority))

    assert overload.pressure == HIGHEST_PRESSURE
    assert all(less >= more for each in shares for less, more in itertools.pairwise(each))
    assert shares[-1][:2] == (1.0, 1.0)
    assert 0.85 < shares[-1][2] < 0.95


def test_it_is_over_within_five_seconds_of_its_end() -> None:
    overload = Overload(0.1)
    for _ in range(100):
        overload.note(1.0)
    looks = 0
    while overload.pressure:
        overload.note(0.0)
        looks += 1

    assert looks * LOOK_EVERY < 5.0


async def test_a_loop_that_is_blocked_again_and_again_is_noticed() -> None:
    async with Overload(0.02) as overload:
        while overload.pressure < 0.3:
            time.sleep(0.15)  # noqa: ASYNC251 - that is what it is about
            await asyncio.sleep(0)

        assert overload.delay > 0.0


async def test_a_turn_that_takes_too_long_refuses_the_rest_of_itself_at_once() -> None:
    async with Overload(0.05) as overload:
        before = time.monotonic() > overload.late_at
        time.sleep(LOOK_EVERY + 0.06)  # noqa: ASYNC251 - a turn with very much to do
        in_time = time.monotonic() > overload.late_at
        low = overload.refuses(Priority.LOW)
        time.sleep(0.05)  # noqa: ASYNC251 - and it goes on
        all_three = tuple(overload.refuses(each) for each in Priority)
        await eventually(lambda: time.monotonic() <= overload.late_at)  # the turn is over

        assert (before, in_time, low, all_three) == (False, True, True, (True, True, False))
        assert overload.pressure == 0.0


async def test_who_is_refused_rests_while_others_are_served_and_all_is_well_again_afterwards(
    open_door: OpenDoor, instances: Instances
) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port), routes=ROUTES, max_loop_delay=0.1)
        overload = door.server.application.overload
        note, overload.note = overload.note, lambda _: None
        while overload.pressure < Priority.HIGH:
            note(0.2)
        async with connected(door.port) as browsing:
            refused = await browsing.request(request("/api/browse"))
            seen = len(things.requests)
            await browsing.send(request("/api/browse"))
            order = await door.ask(request("/api/order"))
            while overload.pressure:
                note(0.0)
            served = await browsing.answer()  # what waited, without another word of the client

    assert [each.status for each in (refused, order, served)] == [503, 200, 200]
    assert [each.target for each in things.requests[seen:]] == ["/order", "/browse"]
    assert overload.refused == 1


async def test_a_connection_of_a_trusted_proxy_never_rests(open_door: OpenDoor, instances: Instances) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port), routes=ROUTES, trusted_proxies=("127.0.0.0/8",))
        overload = door.server.application.overload
        overload.note = lambda _: None
        overload.pressure = HIGHEST_PRESSURE
        async with connected(door.port) as proxy:
            raw = request("/api/browse").replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
            began = asyncio.get_running_loop().time()
            statuses = [(await proxy.request(raw)).status for _ in range(10)]
            seconds = asyncio.get_running_loop().time() - began

    assert statuses == [503] * 10
    assert seconds < LONGEST_REST


async def test_refusals_say_when_to_come_back_and_cost_no_limit(open_door: OpenDoor, instances: Instances) -> None:
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=things.port), routes=ROUTES)
        overload = door.server.application.overload
        overload.note = lambda _: None
        overload.pressure = 1.0
        answers = [await door.ask(request(path)) for path in ("/api/browse", "/api/things", "/api/order", "/health")]
        told = (await door.ask_ops(request("/metrics"))).body.decode()

    assert [each.status for each in answers] == [503, 200, 200, 200]
    assert answers[0].json()["detail"] == "There is too much to do at the moment."
    assert answers[0].fields["retry-after"] == "3"
    assert "ratelimit" not in answers[0].fields
    assert "gateway_overload_pressure 1.0" in told
    assert "gateway_overload_refusals_total 1.0" in told


async def test_who_waits_too_long_for_a_connection_is_refused_and_not_asked_to_wait_again(
    open_door: OpenDoor, instances: Instances
) -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with ScriptedServer(silent) as things:
        door = await open_door(instances(things=things.port), max_connections_per_instance=1, max_wait=0.1)
        async with connected(door.port) as first:
            await first.send(request("/api/things"))
            await things.until_open_connections(1)
            began = asyncio.get_running_loop().time()
            answer = await door.ask(request("/api/things"))
            waited = asyncio.get_running_loop().time() - began

    assert answer.status == 503
    assert answer.json()["detail"] == "Too many requests wait for the things service."
    assert waited < 2.0


@pytest.mark.parametrize(("path", "place"), [("/api/browse", 1), ("/api/things", 2), ("/api/order", 4)])
async def test_the_queue_for_an_instance_is_longest_for_what_matters_most(
    open_door: OpenDoor, instances: Instances, path: str, place: int
) -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with ScriptedServer(silent) as things, contextlib.AsyncExitStack() as stack:
        door = await open_door(
            instances(things=things.port), routes=ROUTES, max_connections_per_instance=1, max_waiting=4, max_wait=30.0
        )
        clients = [await stack.enter_async_context(connected(door.port)) for _ in range(1 + place)]
        for client in clients:
            await client.send(request("/api/order"))
        in_use = METRICS_LINE.format(1 + place).encode()

        async def all_are_there() -> bool:
            return in_use in (await door.ask_ops(request("/metrics"))).body

        await eventually(all_are_there)
        refused = await door.ask(request(path))

    assert (refused.status, refused.json()["detail"]) == (503, "Too many requests wait for the things service.")


@pytest.mark.parametrize("connections", [1])
async def test_beyond_the_limit_of_requests_in_hand_it_is_503(
    open_door: OpenDoor, instances: Instances, connections: int
) -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with ScriptedServer(silent) as things:
        door = await open_door(instances(things=things.port), max_in_flight=connections)
        async with connected(door.port) as first:
            await first.send(request("/api/things"))
            await things.until_open_connections(connections)
            answer = await door.ask(request("/api/things"))

    assert (answer.status, answer.json()["detail"]) == (503, "There are too many requests in hand.")


async def test_health_is_told_however_much_there_is_to_do(open_door: OpenDoor, instances: Instances) -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with ScriptedServer(silent) as things:
        door = await open_door(instances(things=things.port), max_in_flight=1)
        door.server.application.overload.note = lambda _: None
        door.server.application.overload.pressure = HIGHEST_PRESSURE
        async with connected(door.port) as first:
            await first.send(request("/api/things"))
            answer = await door.ask(request("/health"))

    assert answer.status == 200
