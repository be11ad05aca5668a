"""Calls over real sockets: what is sent, what is understood, what is tried again, and how long it takes."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from atoll import context
from atoll.calls import (
    CallTimeout,
    ConnectFailed,
    ConnectionLost,
    InvalidAnswer,
    NoInstances,
    RetryPolicy,
    ServiceClient,
    Timeouts,
    UpstreamProblem,
)
from atoll.context import RequestContext
from atoll.discovery.directory import FixedDirectory, instance_at
from atoll.discovery.instance import ServiceInstance
from atoll.observability.tracing import TraceContext
from atoll.testing.clock import ManualClock
from atoll.testing.scripted_server import Peer, Script, ScriptedServer, answer_all
from atoll.wire import Model

AT_ONCE = RetryPolicy(initial_backoff=0.0)


class Product(Model):
    name: str
    stock: int


class Instances:
    """A directory that the test changes."""

    def __init__(self, *servers: ScriptedServer) -> None:
        self.list: Sequence[ServiceInstance] = [instance_at("products", server.url) for server in servers]

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        return self.list if service == "products" else ()


@asynccontextmanager
async def calling(script: Script = answer_all, **options: Any) -> AsyncIterator[tuple[ServiceClient, ScriptedServer]]:
    options = {"retry": AT_ONCE} | options
    async with (
        asyncio.timeout(60),
        ScriptedServer(script) as server,
        ServiceClient("products", FixedDirectory({"products": server.url}), **options) as client,
    ):
        yield client, server


def answering(body: bytes = b"{}", *, status: int = 200, fields: str = "") -> Script:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(body, status=status, fields=fields)

    return script


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


# What is sent and understood.


async def test_an_answer_is_read_into_its_type() -> None:
    async with calling(answering(b'{"name":"chair","stock":3,"later":"field"}')) as (client, server):
        product = await client.get("/products/1", into=Product, query={"verbose": True})

        assert product == Product(name="chair", stock=3)
        assert [request.target for request in server.requests] == ["/products/1?verbose=true"]


@pytest.mark.parametrize("method", ["post", "put", "patch"])
async def test_a_body_is_sent_as_json(method: str) -> None:
    async with calling(answering(b'{"name":"chair","stock":3}', status=201)) as (client, server):
        call: Callable[..., Awaitable[Product]] = getattr(client, method)
        created = await call("/products", Product(name="chair", stock=3), into=Product)

        assert created == Product(name="chair", stock=3)
        assert [(request.method, request.body) for request in server.requests] == [
            (method.upper(), b'{"name":"chair","stock":3}')
        ]


async def test_an_answer_that_is_not_wanted_may_be_anything() -> None:
    async with calling(answering(b"<html>")) as (client, _):
        await client.post("/products")
        await client.put("/products")
        await client.patch("/products")
        await client.delete("/products")


async def test_a_whole_answer_comes_with_its_headers() -> None:
    async with calling(answering(b"a,b", fields='ETag: "1"\r\nX-A: 1\r\nx-a: 2\r\n')) as (client, server):
        response = await client.request("GET", "/export")

        assert response.status == 200
        assert response.body == b"a,b"
        assert response.headers["etag"] == '"1"'
        assert response.headers.get("X-A") == "1, 2"
        assert response.headers.get("missing") is None
        assert set(response.headers) == {"content-length", "etag", "x-a"}
        assert response.instance == server.url


async def test_an_answer_to_head_has_no_body() -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    async with calling(script) as (client, server):
        for _ in range(3):
            assert (await client.request("HEAD", "/")).body == b""

        assert server.connections == 1


async def test_a_call_says_who_asks_for_which_request_and_how_long_it_waits() -> None:
    caller = RequestContext(TraceContext("a" * 32, "b" * 16, sampled=True), "request-7")
    async with calling(credential=lambda service: f"token-for-{service}") as (client, server):
        token = context.current.set(caller)
        try:
            await client.post("/orders", idempotency_key="key-1", headers={"X-More": "more"})
        finally:
            context.current.reset(token)

    fields = server.requests[0].fields
    assert fields["host"] == server.url.removeprefix("http://")
    assert fields["authorization"] == "Bearer token-for-products"
    assert fields["idempotency-key"] == "key-1"
    assert fields["x-request-id"] == "request-7"
    assert fields["x-more"] == "more"
    assert 0 < int(fields["atoll-remaining-ms"]) <= 2000
    trace = TraceContext.parse(fields["traceparent"])
    assert (trace.trace_id, trace.sampled) == ("a" * 32, True)
    assert trace.span_id != "b" * 16


async def test_a_call_outside_of_any_request_begins_a_trace() -> None:
    async with calling() as (client, server):
        await client.post("/")

        traceparent = server.requests[0].fields["traceparent"]
        assert TraceContext.parse(traceparent).header() == traceparent
        assert "x-request-id" not in server.requests[0].fields
        assert "authorization" not in server.requests[0].fields


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"name":"chair"}', b'{"name":"chair","stock":"many"}'])
async def test_an_answer_of_another_shape_is_no_answer(body: bytes) -> None:
    async with calling(answering(body)) as (client, server):
        with pytest.raises(InvalidAnswer, match="Product"):
            await client.get("/products/1", into=Product)

        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 400, 404, 500])
async def test_a_status_other_than_2xx_is_a_problem_with_its_evidence(status: int) -> None:
    async with calling(answering(b'{"detail":"No such product."}', status=status)) as (client, server):
        with pytest.raises(UpstreamProblem) as caught:
            await client.get("/products/1", into=Product)

        error = caught.value
        assert (error.status, error.details.detail) == (status, "No such product.")
        assert (error.service, error.instance, error.attempts) == ("products", server.url, 1)


async def test_an_answer_larger_than_the_limit_is_refused() -> None:
    async with calling(answering(b"x" * 1001), body_limit=1000) as (client, _):
        with pytest.raises(InvalidAnswer, match="1000"):
            await client.request("GET", "/")

    async with calling(answering(b"x" * 1000), body_limit=1000) as (client, _):
        assert len((await client.request("GET", "/")).body) == 1000


async def test_of_an_answer_that_grows_too_large_no_more_is_read() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        await peer.send(b"x" * 1001)
        await peer.gone()

    async with calling(script, body_limit=1000) as (client, server):
        with pytest.raises(InvalidAnswer, match="1000"):
            await client.request("GET", "/")

        await server.until_open_connections(0)


async def test_what_is_not_http_is_refused() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")

    async with calling(script) as (client, server):
        with pytest.raises(InvalidAnswer):
            await client.get("/", into=Product)

        assert len(server.requests) == 1


# Connections.


async def test_calls_reuse_connections() -> None:
    async with calling() as (client, server):
        for _ in range(20):
            await client.post("/")

        assert server.connections == 1


async def test_no_more_connections_are_open_than_allowed() -> None:
    async with calling(max_connections=3) as (client, server):
        await asyncio.gather(*(client.post("/") for _ in range(50)))

        assert server.connections == 3
        assert len(server.requests) == 50


async def test_closing_ends_calls_under_way() -> None:
    async with calling(silent, timeouts=Timeouts(attempt=30, total=30)) as (client, server):
        call = asyncio.create_task(client.post("/"))
        await server.until_open_connections(1)
        await client.__aexit__(None, None, None)

        with pytest.raises(ConnectionLost):
            await call


# Trying again.


def losing_first(answers: int, *, end: str) -> Script:
    """Closes each connection after so many answers, on receiving the next request: the keep-alive race."""

    async def script(peer: Peer) -> None:
        for _ in range(answers):
            await peer.request()
            await peer.answer(b'{"name":"chair","stock":3}')
        if peer.number <= 1:
            await peer.request()
            if end == "reset":
                peer.reset()
            return
        await answer_all(peer, b'{"name":"chair","stock":3}')

    return script


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_get_that_lost_its_connection_is_sent_again(end: str) -> None:
    async with calling(losing_first(1, end=end)) as (client, server):
        await client.get("/first", into=Product)

        assert await client.get("/second", into=Product) == Product(name="chair", stock=3)
        assert [request.target for request in server.requests] == ["/first", "/second", "/second"]


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_post_without_a_key_is_never_sent_twice(end: str) -> None:
    async with calling(losing_first(1, end=end)) as (client, server):
        await client.get("/first", into=Product)

        with pytest.raises(ConnectionLost) as caught:
            await client.post("/second")

        assert caught.value.attempts == 1
        assert [request.target for request in server.requests] == ["/first", "/second"]


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_post_with_a_key_is_sent_again_with_the_same_key(end: str) -> None:
    async with calling(losing_first(1, end=end)) as (client, server):
        await client.get("/first", into=Product)
        await client.post("/second", Product(name="table", stock=1), idempotency_key="k1")

        first, second = server.requests[1:]
        assert (first.fields["idempotency-key"], first.body) == ("k1", b'{"name":"table","stock":1}')
        assert (second.fields["idempotency-key"], second.body) == (first.fields["idempotency-key"], first.body)
        assert second.fields["traceparent"] != first.fields["traceparent"]


async def test_a_post_without_a_key_goes_to_no_connection_that_is_closed_already() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        port = listener.getsockname()[1]
        async with ServiceClient("products", FixedDirectory({"products": f"http://127.0.0.1:{port}"})) as client:
            (upstream,) = client.upstreams.current()
            upstream.pool.release(await upstream.pool.acquire())
            listener.accept()[0].close()

            call = asyncio.create_task(client.post("/"))
            peer, _ = await asyncio.to_thread(listener.accept)
            with peer:
                peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                await call


async def test_an_attempt_that_takes_too_long_is_made_again() -> None:
    async def slow_once(peer: Peer) -> None:
        if peer.number == 1:
            await silent(peer)
        await answer_all(peer)

    async with calling(slow_once, timeouts=Timeouts(attempt=0.2)) as (client, server):
        await client.put("/")

        assert len(server.requests) == 2


async def test_attempts_end_after_the_third() -> None:
    async with calling(silent, timeouts=Timeouts(attempt=0.05)) as (client, server):
        with pytest.raises(CallTimeout) as caught:
            await client.put("/")

        assert caught.value.attempts == 3
        assert len(server.requests) == 3


async def test_a_service_that_asks_for_time_gets_it() -> None:
    async def busy_once(peer: Peer) -> None:
        await peer.request()
        await peer.answer(status=503, fields="Retry-After: 3\r\n")
        await answer_all(peer)

    clock = ManualClock()
    async with calling(busy_once, clock=clock) as (client, server):
        call = asyncio.create_task(client.put("/"))
        await clock.wait_for_sleepers()
        await clock.advance(2.9)
        assert len(server.requests) == 1

        await clock.advance(0.2)
        await call
        assert len(server.requests) == 2


async def test_nobody_waits_for_a_service_longer_than_the_call_may_take() -> None:
    async with calling(answering(status=503, fields="Retry-After: 60\r\n")) as (client, server):
        with pytest.raises(UpstreamProblem):
            await client.put("/")

        assert len(server.requests) == 1


async def test_another_attempt_goes_to_another_instance() -> None:
    async with (
        ScriptedServer(answering(status=503)) as busy,
        ScriptedServer(answer_all) as free,
        ServiceClient("products", Instances(busy, busy, free), retry=AT_ONCE) as client,
    ):
        for _ in range(20):
            await client.put("/")

        assert len(free.requests) == 20
        assert busy.requests


async def test_a_refused_connection_leads_to_another_instance_even_for_a_post() -> None:
    async with (
        ScriptedServer(answer_all) as gone,
        ScriptedServer(answer_all) as here,
        ServiceClient("products", Instances(gone, here), retry=AT_ONCE) as client,
    ):
        gone.stop_listening()
        for _ in range(20):
            await client.post("/")

        assert len(here.requests) == 20


async def test_calls_go_where_fewer_are_in_flight() -> None:
    async with (
        asyncio.timeout(20),
        ScriptedServer(silent) as stuck,
        ScriptedServer(answer_all) as quick,
        ServiceClient("products", Instances(stuck, quick), chance=random.Random(1)) as client,  # noqa: S311 - any choice will do
    ):
        calls: list[asyncio.Task[None]] = []
        while not stuck.requests:
            calls.append(asyncio.create_task(client.post("/")))
            await asyncio.sleep(0.01)
        before = len(quick.requests)
        for _ in range(20):
            await client.post("/")

        assert len(stuck.requests) == 1
        assert len(quick.requests) == before + 20
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


# Nobody there.


async def test_a_service_without_instances_cannot_be_called() -> None:
    async with ServiceClient("orders", FixedDirectory({})) as client:
        with pytest.raises(NoInstances) as caught:
            await client.get("/", into=Product)

        assert str(caught.value) == "orders: no instance is known"


async def test_where_nobody_listens_nothing_was_sent() -> None:
    async with calling() as (client, server):
        server.stop_listening()
        with pytest.raises(ConnectFailed) as caught:
            await client.post("/")

        assert caught.value.nothing_was_sent
        assert caught.value.attempts == 3


async def test_instances_come_and_go() -> None:
    async with (
        ScriptedServer(answer_all) as one,
        ScriptedServer(answer_all) as two,
    ):
        directory = Instances(one)
        async with ServiceClient("products", directory) as client:
            await client.put("/1")
            directory.list = [instance_at("products", two.url)]
            await client.put("/2")
            await one.until_open_connections(0)
            directory.list = []
            with pytest.raises(NoInstances):
                await client.put("/3")

        assert [request.target for request in one.requests] == ["/1"]
        assert [request.target for request in two.requests] == ["/2"]


async def test_an_instance_that_is_gone_may_finish_what_it_was_asked() -> None:
    answer = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await peer.request()
        await answer.wait()
        await peer.answer()
        await peer.gone()

    async with ScriptedServer(slow) as old, ScriptedServer(answer_all) as new:
        directory = Instances(old)
        async with ServiceClient("products", directory) as client:
            call = asyncio.create_task(client.post("/old"))
            await old.until_open_connections(1)
            directory.list = [instance_at("products", new.url)]
            await client.post("/new")

            answer.set()
            await call
            await old.until_open_connections(0)


# Time.


async def test_an_attempt_takes_no_longer_than_its_time() -> None:
    async with calling(silent, timeouts=Timeouts(attempt=0.1)) as (client, server):
        started = time.monotonic()
        with pytest.raises(CallTimeout, match=r"within 0\.\d+ s"):
            await client.post("/")

        assert 0.09 <= time.monotonic() - started < 1
        await server.until_open_connections(0)


async def test_a_call_takes_no_longer_than_its_time_with_all_its_attempts() -> None:
    policy = RetryPolicy(max_attempts=1000, initial_backoff=0.0)
    async with calling(silent, timeouts=Timeouts(attempt=0.1), retry=policy) as (client, _):
        started = time.monotonic()
        with pytest.raises(CallTimeout):
            await client.put("/", timeout=0.35)

        assert 0.3 <= time.monotonic() - started < 1.5


async def test_an_answer_that_trickles_takes_no_longer_either() -> None:
    async def trickle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.01)

    async with calling(trickle, timeouts=Timeouts(attempt=0.2)) as (client, _):
        started = time.monotonic()
        with pytest.raises(CallTimeout):
            await client.post("/")

        assert time.monotonic() - started < 1


async def test_waiting_for_a_connection_counts() -> None:
    async with calling(silent, max_connections=1) as (client, server):
        first = asyncio.create_task(client.post("/"))
        await server.until_open_connections(1)
        with pytest.raises(CallTimeout) as caught:
            await client.post("/", timeout=Timeouts(attempt=0.05, total=0.1))

        assert caught.value.nothing_was_sent
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first


async def test_connecting_counts() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            for filler in (one, two, three):  # nobody accepts: the backlog fills up
                filler.setblocking(False)
                with suppress(BlockingIOError):
                    filler.connect(address)
            directory = FixedDirectory({"products": f"http://127.0.0.1:{address[1]}"})
            async with ServiceClient("products", directory, timeouts=Timeouts(connect=0.05)) as client:
                with pytest.raises(ConnectFailed, match=r"0\.05 s"):
                    await client.post("/")
            async with ServiceClient("products", directory, timeouts=Timeouts(total=0.05)) as client:
                with pytest.raises(CallTimeout):
                    await client.post("/")


async def test_the_deadline_of_our_caller_is_ours_and_is_handed_on() -> None:
    async with calling(silent) as (client, server):
        caller = RequestContext(TraceContext.fresh(), "r", deadline=time.monotonic() + 0.2)
        token = context.current.set(caller)
        try:
            started = time.monotonic()
            with pytest.raises(CallTimeout):
                await client.put("/")
        finally:
            context.current.reset(token)

        assert time.monotonic() - started < 1
        assert int(server.requests[0].fields["atoll-remaining-ms"]) <= 200


async def test_no_work_begins_for_a_caller_who_has_stopped_waiting() -> None:
    async with calling() as (client, server):
        token = context.current.set(RequestContext(TraceContext.fresh(), "r", deadline=time.monotonic() - 1))
        try:
            with pytest.raises(CallTimeout) as caught:
                await client.put("/")
        finally:
            context.current.reset(token)

        assert caught.value.nothing_was_sent
        assert server.connections == 0
