"""Calls through a network that fails: how much arrives, how long it takes, and who is asked."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from atoll.calls import CallError, CallPolicy, CallTimeout, RetryPolicy, ServiceClient, Timeouts
from atoll.discovery.directory import FixedDirectory, instance_at
from atoll.discovery.instance import ServiceInstance
from atoll.endpoints import Route
from atoll.resilience import CircuitBreakerPolicy, CircuitState, RetryBudgetPolicy
from atoll.service import Service
from atoll.testing.scripted_server import Peer, Script, ScriptedServer, answer_all
from atoll.testing.serving import serving
from atoll.testing.tcp_relay import BlackHole, Delay, Fault, Garbage, HalfClose, Reset, SlowBytes, TcpRelay

AT_ONCE = RetryPolicy(initial_backoff=0.0)
CALLS = 100
POLICY = CallPolicy(
    timeouts=Timeouts(attempt=5.0),
    retry=AT_ONCE,
    retry_budget=RetryBudgetPolicy(min_per_second=0.0),
)


class Relays:
    """A directory of relays."""

    def __init__(self, relays: Sequence[TcpRelay]) -> None:
        self._instances = [instance_at("products", relay.url) for relay in relays]

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        return self._instances


async def refusing(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.answer(status=503)


async def hanging_up(peer: Peer) -> None:
    await peer.request()


async def now_this_now_that(peer: Peer) -> None:
    for _ in range(peer.number % 3):
        await peer.request()
        await peer.answer(status=503)
    await peer.request()


@asynccontextmanager
async def two_hops(script: Script) -> AsyncIterator[tuple[ServiceClient, list[str], ScriptedServer]]:
    """A client of orders, whose every request asks products, which answers by the script; and what orders was asked."""
    async with AsyncExitStack() as held:
        products = await held.enter_async_context(ScriptedServer(script))
        to_products = ServiceClient("products", FixedDirectory({"products": products.url}), policy=POLICY)
        await held.enter_async_context(to_products)
        asked: list[str] = []

        async def ask() -> None:
            asked.append("orders")
            await to_products.put("/")

        orders = await held.enter_async_context(serving(Service("orders", [Route("PUT", "/ask", ask)])))
        client = ServiceClient("orders", FixedDirectory({"orders": orders}), policy=POLICY)
        yield await held.enter_async_context(client), asked, products


@pytest.mark.parametrize("script", [refusing, hanging_up, now_this_now_that])
async def test_with_everything_failing_at_most_a_fifth_more_arrives_over_all_hops(script: Script) -> None:
    async with asyncio.timeout(60), two_hops(script) as (client, asked, products):

        async def call() -> None:
            with pytest.raises(CallError):
                await client.put("/ask", retry=RetryPolicy(max_attempts=2, initial_backoff=0.0, max_backoff=0.0))

        await asyncio.gather(*(call() for _ in range(CALLS)))

        assert CALLS <= len(asked) <= 1.2 * CALLS
        assert CALLS <= len(products.requests) <= 1.2 * CALLS


@pytest.mark.parametrize("fault", [BlackHole(), SlowBytes(0.2), Delay(60.0)])
async def test_the_deadline_is_kept_whatever_the_network_does(fault: Fault) -> None:
    excess = []
    async with (
        asyncio.timeout(60),
        ScriptedServer(answer_all) as server,
        TcpRelay(server.url, fault) as relay,
        ServiceClient("products", FixedDirectory({"products": relay.url}), policy=POLICY) as client,
    ):
        for _ in range(5):
            began = time.monotonic()
            with pytest.raises(CallTimeout):
                await client.put("/", timeout=0.2)
            excess.append(time.monotonic() - began - 0.2)

    assert min(excess) <= 0.05  # the best of five, because the machine may be busy
    assert all(each > -0.05 for each in excess)


@pytest.mark.parametrize("fault", [Reset(), HalfClose(), Garbage()])
async def test_a_network_that_spoils_answers_fails_calls_and_leaks_nothing(fault: Fault) -> None:
    async with (
        asyncio.timeout(60),
        ScriptedServer(answer_all) as server,
        TcpRelay(server.url, fault) as relay,
        ServiceClient("products", FixedDirectory({"products": relay.url}), policy=POLICY) as client,
    ):
        for _ in range(10):
            with pytest.raises(CallError):
                await client.post("/")
        relay.fault = None
        await client.post("/")

        (upstream,) = client.upstreams.current()
        assert (upstream.in_flight, client.bulkhead.in_use) == (0, 0)


@asynccontextmanager
async def three_instances(policy: CallPolicy) -> AsyncIterator[tuple[ServiceClient, list[TcpRelay]]]:
    async with asyncio.timeout(60), AsyncExitStack() as held:
        server = await held.enter_async_context(ScriptedServer(answer_all))
        relays = [await held.enter_async_context(TcpRelay(server.url)) for _ in range(3)]
        client = ServiceClient("products", Relays(relays), policy=policy)
        yield await held.enter_async_context(client), relays


async def load(client: ServiceClient, calls: int) -> int:
    """Make so many calls, ten at once; how many failed."""
    failed = 0

    async def caller() -> None:
        nonlocal failed
        for _ in range(calls // 10):
            try:
                await client.put("/")
            except CallError:
                failed += 1

    await asyncio.gather(*(caller() for _ in range(10)))
    return failed


async def test_one_slow_instance_of_three_is_ejected() -> None:
    breaker = CircuitBreakerPolicy(slow_call_duration=0.2, minimum_number_of_calls=3, consecutive_failures=0)
    async with three_instances(CallPolicy(circuit_breaker=breaker)) as (client, relays):
        relays[0].fault = Delay(0.3)
        while client.upstreams.ejections == 0:
            await load(client, 20)
        slow, *others = client.upstreams.current()
        before = relays[0].requests

        assert await load(client, 300) == 0
        assert slow.breaker.state is CircuitState.OPEN
        assert all(other.breaker.state is CircuitState.CLOSED for other in others)
        assert relays[0].requests == before


async def test_a_black_hole_attracts_no_load() -> None:
    async with three_instances(CallPolicy(timeouts=Timeouts(attempt=0.3))) as (client, relays):
        relays[0].fault = BlackHole()
        failed = await load(client, 600)

        assert failed == 0
        assert relays[0].requests <= 15  # ten callers at once, before any of them knew better
        assert relays[1].requests + relays[2].requests >= 600


async def test_a_black_hole_attracts_no_load_although_nobody_waits_long_enough_to_blame_it() -> None:
    async with three_instances(CallPolicy(timeouts=Timeouts(attempt=60.0))) as (client, relays):
        relays[0].fault = BlackHole()
        for _ in range(60):
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.put("/")

        assert client.upstreams.ejections == 0
        assert relays[0].requests <= 10


async def test_an_instance_that_refuses_connections_attracts_no_load() -> None:
    async with three_instances(CallPolicy(retry=AT_ONCE)) as (client, relays):
        relays[0].stop_listening()
        failed = await load(client, 600)

        assert failed == 0
        assert client.retry_budget.refused == 0
