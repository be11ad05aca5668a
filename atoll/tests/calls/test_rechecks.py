"""Instances that are left out are looked after, and come back as soon as they are back."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

import pytest

from atoll.calls import CallError, CallPolicy, RetryPolicy, ServiceClient, WrongService
from atoll.discovery.directory import instance_at
from atoll.discovery.instance import ServiceInstance
from atoll.resilience import CircuitBreakerPolicy, CircuitState
from atoll.testing.clock import ManualClock
from atoll.testing.eventually import eventually
from atoll.testing.scripted_server import Peer, Script, ScriptedServer, answer_all

POLICY = CallPolicy(
    retry=RetryPolicy(max_attempts=1), circuit_breaker=CircuitBreakerPolicy(consecutive_failures=1, jitter=0.0)
)


class Both:
    """A directory of the servers given."""

    def __init__(self, *servers: ScriptedServer) -> None:
        self._instances = [instance_at("products", server.url) for server in servers]

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        return self._instances


def ill_but_for_its_health(status: int) -> Script:
    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await peer.answer(status=200 if request.target == "/health" else status)

    return script


def seen_at_least(server: ScriptedServer, looks: int) -> bool:
    return [request.target for request in server.requests].count("/health") >= looks


async def call_until_one_is_out(client: ServiceClient) -> None:
    while client.upstreams.ejections == 0:
        with contextlib.suppress(CallError):
            await client.post("/")


async def test_one_that_stopped_answering_is_probed_when_it_answers_again() -> None:
    clock = ManualClock()
    async with (
        asyncio.timeout(30),
        ScriptedServer(answer_all) as good,
        ScriptedServer(answer_all) as bad,
        ServiceClient("products", Both(good, bad), policy=POLICY, clock=clock) as client,
    ):
        bad.stop_listening()
        await call_until_one_is_out(client)
        _, upstream = client.upstreams.current()
        await clock.wait_for_sleepers()
        await clock.advance(1.3)
        await clock.wait_for_sleepers()
        assert upstream.breaker.state is CircuitState.OPEN

        async with bad:
            await clock.advance(1.3)
            await eventually(lambda: upstream.breaker.state is CircuitState.HALF_OPEN)

    assert clock.monotonic() < 5.0


async def test_one_that_is_alive_and_fails_waits_for_its_time() -> None:
    clock = ManualClock()
    async with (
        asyncio.timeout(30),
        ScriptedServer(answer_all) as good,
        ScriptedServer(ill_but_for_its_health(500)) as bad,
        ServiceClient("products", Both(good, bad), policy=POLICY, clock=clock) as client,
    ):
        await call_until_one_is_out(client)
        _, upstream = client.upstreams.current()
        for looks in range(1, 4):
            await clock.wait_for_sleepers()
            await clock.advance(1.25)
            await eventually(partial(seen_at_least, bad, looks))

        assert upstream.breaker.state is CircuitState.OPEN


async def test_where_another_service_answered_ours_is_found_again() -> None:
    clock = ManualClock()
    name = "users"

    async def named(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(fields=f"Atoll-Service: {name}\r\n")

    async with (
        asyncio.timeout(30),
        ScriptedServer(named) as server,
        ServiceClient("products", Both(server), policy=POLICY, clock=clock) as client,
    ):
        with pytest.raises(WrongService):
            await client.post("/")
        await clock.wait_for_sleepers()
        await clock.advance(1.3)
        await eventually(lambda: len(server.requests) == 2)
        (upstream,) = client.upstreams.current()
        assert upstream.lost

        name = "products"
        await clock.wait_for_sleepers()
        await clock.advance(1.3)
        await eventually(lambda: not upstream.lost)
        await client.post("/")


async def test_nobody_looks_when_nobody_is_out() -> None:
    clock = ManualClock()
    async with (
        ScriptedServer(ill_but_for_its_health(500)) as server,
        ServiceClient("products", Both(server), policy=POLICY, clock=clock) as client,
    ):
        with pytest.raises(CallError):
            await client.post("/")

        assert clock.sleepers == 0
