"""The ladder of a call: each rung over real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import pytest

from atoll.calls import (
    Attempt,
    CallPolicy,
    CallTimeout,
    ConnectFailed,
    NotPermitted,
    RetryPolicy,
    ServiceClient,
    Timeouts,
    TooManyCalls,
    UpstreamProblem,
    WrongService,
)
from atoll.discovery.directory import FixedDirectory
from atoll.resilience import BulkheadPolicy, CircuitBreakerPolicy, RetryBudgetPolicy
from atoll.testing.scripted_server import Peer, Script, ScriptedServer, answer_all

AT_ONCE = RetryPolicy(initial_backoff=0.0)
WITHOUT_FLOOR = RetryBudgetPolicy(min_per_second=0.0)

WorkingFor = Callable[..., AbstractContextManager[None]]


@asynccontextmanager
async def calling(script: Script, **options: Any) -> AsyncIterator[tuple[ServiceClient, ScriptedServer]]:
    policy = CallPolicy(retry=AT_ONCE, **options)
    async with (
        asyncio.timeout(60),
        ScriptedServer(script) as server,
        ServiceClient("products", FixedDirectory({"products": server.url}), policy=policy) as client,
    ):
        yield client, server


def answering(status: int, fields: str = "") -> Script:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(status=status, fields=fields)

    return script


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


# Retries: one budget, one layer.


async def test_with_everything_failing_a_fifth_more_arrives_than_was_asked_for() -> None:
    async with calling(answering(503), retry_budget=WITHOUT_FLOOR) as (client, server):
        for _ in range(100):
            with pytest.raises(UpstreamProblem):
                await client.put("/")

        assert len(server.requests) == 120


async def test_a_call_says_that_it_will_be_repeated_if_it_will() -> None:
    async with calling(answer_all) as (client, server):
        await client.put("/")
        await client.post("/")
        await client.post("/", idempotency_key="k")
        await client.put("/", retry=RetryPolicy(max_attempts=1))

        assert ["atoll-caller-retries" in request.fields for request in server.requests] == [True, False, True, False]


async def test_who_works_for_a_caller_that_retries_repeats_nothing_and_says_so(working_for: WorkingFor) -> None:
    async with calling(answering(503)) as (client, server):
        with working_for(caller_retries=True), pytest.raises(UpstreamProblem) as caught:
            await client.post("/")

        assert caught.value.attempts == 1
        assert [request.fields["atoll-caller-retries"] for request in server.requests] == ["yes"]


async def test_a_connection_that_was_refused_is_no_repetition(working_for: WorkingFor) -> None:
    async with calling(answer_all) as (client, server):
        server.stop_listening()
        with working_for(caller_retries=True), pytest.raises(ConnectFailed) as caught:
            await client.post("/")

        assert caught.value.attempts == 3


# The bulkhead.


async def test_no_more_calls_are_under_way_than_may_be() -> None:
    places = BulkheadPolicy(max_concurrent_calls=2, max_wait=0.05)
    async with calling(silent, bulkhead=places) as (client, server):
        calls = [asyncio.create_task(client.post("/")) for _ in range(2)]
        await server.until_open_connections(2)
        with pytest.raises(TooManyCalls) as caught:
            await client.post("/")

        assert caught.value.as_problem().status == 503
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert client.bulkhead.in_use == 0


async def test_a_stream_holds_its_place_until_it_is_left() -> None:
    async with calling(answer_all) as (client, _):
        async with client.stream("GET", "/"):
            assert client.bulkhead.in_use == 1

        assert client.bulkhead.in_use == 0


async def test_who_waits_for_a_place_waits_no_longer_than_the_call_may_take(working_for: WorkingFor) -> None:
    places = BulkheadPolicy(max_concurrent_calls=1, max_wait=60.0)
    async with calling(silent, bulkhead=places) as (client, server):
        first = asyncio.create_task(client.post("/"))
        await server.until_open_connections(1)
        with working_for(deadline=time.monotonic() + 0.05), pytest.raises(TooManyCalls):
            await client.post("/")

        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


# Breakers.


async def test_a_4xx_is_no_failure() -> None:
    async with (
        ScriptedServer(answering(404)) as one,
        ServiceClient("products", FixedDirectory({"products": one.url})) as client,
    ):
        for _ in range(50):
            with pytest.raises(UpstreamProblem):
                await client.post("/")

        (upstream,) = client.upstreams.current()
        assert upstream.breaker.failure_rate == 0.0


async def test_a_call_that_was_cancelled_says_nothing_of_the_instance() -> None:
    async with calling(silent) as (client, server):
        call = asyncio.create_task(client.post("/"))
        await server.until_open_connections(1)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

        (upstream,) = client.upstreams.current()
        assert "0 of 0 failed" in repr(upstream.breaker)


async def test_an_instance_that_had_no_fair_chance_is_not_blamed(working_for: WorkingFor) -> None:
    async with calling(silent, timeouts=Timeouts(attempt=2.0)) as (client, _):
        for _ in range(3):
            with working_for(deadline=time.monotonic() + 0.02), pytest.raises(CallTimeout):
                await client.post("/")

        (upstream,) = client.upstreams.current()
        assert "0 of 0 failed" in repr(upstream.breaker)


async def test_a_fixed_address_that_always_fails_is_asked_on_and_on() -> None:
    sensitive = CircuitBreakerPolicy(consecutive_failures=1)
    async with calling(answering(500), circuit_breaker=sensitive) as (client, server):
        for _ in range(10):
            with pytest.raises(UpstreamProblem):
                await client.post("/")

        assert len(server.requests) == 10


# Answers name their service.


@pytest.mark.parametrize("status", [200, 401, 500])
async def test_an_answer_from_another_service_is_no_answer(status: int) -> None:
    async with calling(answering(status, "Atoll-Service: users\r\n")) as (client, server):
        with pytest.raises(WrongService, match="users answers there") as caught:
            await client.post("/")
        with pytest.raises(NotPermitted):
            await client.post("/")

        assert (caught.value.found, caught.value.as_problem().status) == ("users", 503)
        assert len(server.requests) == 1


async def test_an_answer_that_names_the_service_is_one() -> None:
    async with calling(answering(200, "ATOLL-SERVICE:  products \r\n")) as (client, _):
        assert (await client.request("GET", "/")).status == 200


# Observers.


async def test_each_attempt_is_told_once_with_what_it_came_to() -> None:
    attempts: list[Attempt] = []

    async def busy_once(peer: Peer) -> None:
        await peer.request()
        await peer.answer(status=503)
        await answer_all(peer)

    async with calling(busy_once) as (client, server):
        client.observers.append(attempts.append)
        await client.put("/things", query={"q": "1"})

        assert [(each.number, each.status, each.outcome) for each in attempts] == [(1, 503, "503"), (2, 200, "ok")]
        first = attempts[0]
        assert (first.service, first.instance, first.method, first.target) == (
            "products",
            server.url,
            "PUT",
            "/things?q=1",
        )
        assert isinstance(first.error, UpstreamProblem)
        assert 0 < first.seconds < 10
        assert [each.traceparent for each in attempts] == [each.fields["traceparent"] for each in server.requests]


async def test_an_attempt_without_an_answer_is_told_by_its_error() -> None:
    attempts: list[Attempt] = []
    async with calling(silent, timeouts=Timeouts(attempt=0.05)) as (client, _):
        client.observers.append(attempts.append)
        with pytest.raises(CallTimeout):
            await client.post("/")

        assert [(each.outcome, each.status) for each in attempts] == [("CallTimeout", 0)]
