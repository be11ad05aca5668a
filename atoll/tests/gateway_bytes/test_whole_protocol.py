"""HTTP/1.1 as a whole: what goes on at the same time, in which order, and how much of it is held."""

import asyncio
import contextlib

from atoll.gateway.settings import RouteSettings
from atoll.testing.eventually import eventually
from atoll.testing.gateways import OpenGateway, open_gateway
from atoll.testing.raw_http import connected
from atoll.testing.request_recorder import RequestRecorder
from atoll.testing.scripted_server import Peer, ScriptedServer

ROUTES = (RouteSettings(path="/things/**", to="things", access="public"),)
GET = b"GET /api/things HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"
EXPECTING = b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
MEBIBYTE = 1024 * 1024


def held_for_clients(gateway: OpenGateway) -> int:
    """Bytes of answers that the gateway has in memory."""
    return sum(each._transport.get_write_buffer_size() for each in gateway.server.connections)


async def test_answers_of_the_gateways_own_do_not_pile_up_for_a_client_that_does_not_read() -> None:
    asked = 100_000
    async with open_gateway({}, ROUTES) as gateway, connected(gateway.port, patience=60) as client:
        client.pause()
        sending = asyncio.create_task(client.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * asked))
        held, before = 0, -1
        while held != before or not held:
            before, held = held, held_for_clients(gateway)
            await asyncio.wait([sending], timeout=0.1)
        client.resume()
        answers = [await client.answer() for _ in range(1000)]

        assert held < MEBIBYTE
        assert {each.status for each in answers} == {200}
        sending.cancel()


async def test_answers_of_a_service_do_not_pile_up_for_a_client_that_does_not_read() -> None:
    size, asked = 128 * 1024, 400

    async with (
        RequestRecorder(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size) as recorder,
        open_gateway({"things": recorder.port}, ROUTES) as gateway,
        connected(gateway.port, patience=60) as client,
    ):
        client.pause()
        await client.send(GET * asked)
        held, before = 0, -1
        while held != before or not held:
            before, held = held, held_for_clients(gateway)
            await asyncio.sleep(0.1)
        begun = len(recorder.requests)
        client.resume()
        sizes = {len((await client.answer()).body) for _ in range(asked)}

    assert held < MEBIBYTE
    assert begun < asked
    assert sizes == {size}


async def test_requests_in_a_row_are_answered_in_their_order_and_forwarded_one_by_one() -> None:
    async with (
        RequestRecorder() as recorder,
        open_gateway({"things": recorder.port}, ROUTES) as gateway,
        connected(gateway.port) as client,
    ):
        await client.send(b"".join(GET.replace(b"things", b"things/%d" % number) for number in range(500)))
        lines = [(await client.answer()).body.partition(b"\r\n")[0] for _ in range(500)]

    assert lines == [b"GET /things/%d HTTP/1.1" % number for number in range(500)]
    assert recorder.connections == 1


async def test_who_expects_100_is_invited_or_answered_and_never_left_waiting() -> None:
    async with RequestRecorder() as recorder, open_gateway({"things": recorder.port}, ROUTES) as gateway:
        async with connected(gateway.port) as client:
            await client.send(EXPECTING)
            invited = await client.head()
            await client.send(b"a")
            answered = await client.answer()
        async with connected(gateway.port) as client:
            refused = await client.request(EXPECTING.replace(b"things", b"nothing"))
            closed = await client.is_closed()
        async with connected(gateway.port) as client:
            odd = await client.request(EXPECTING.replace(b"100-continue", b"miracles"))

    assert (invited, answered.status, recorder.requests[0].body) == ((100, {}), 200, b"a")
    assert (refused.status, refused.fields["connection"], closed) == (404, "close", True)
    assert odd.status == 417


async def test_a_post_on_a_connection_that_is_closing_is_sent_once_or_fails() -> None:
    async def answers_once(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"well")
        if peer.number % 2:
            await peer.request()  # taken, and never answered

    async with (
        ScriptedServer(answers_once) as service,
        open_gateway({"things": service.port}, ROUTES) as gateway,
        connected(gateway.port) as client,
    ):
        statuses = [(await client.request(POST)).status for _ in range(30)]

    assert set(statuses) == {200, 502}
    assert len(service.requests) == len(statuses)


async def test_a_post_does_not_go_to_a_connection_that_was_closed_while_it_was_idle() -> None:
    async def closes(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"well")

    async with (
        ScriptedServer(closes) as service,
        open_gateway({"things": service.port}, ROUTES) as gateway,
        connected(gateway.port) as client,
    ):
        statuses = []
        for _ in range(20):
            statuses.append((await client.request(POST)).status)
            await service.until_open_connections(0)

    assert statuses == [200] * 20


async def test_a_client_that_goes_in_the_middle_of_its_body_takes_the_request_to_the_service_with_it() -> None:
    async def reads(peer: Peer) -> None:
        await peer.head()
        await peer.gone()

    async with ScriptedServer(reads) as service, open_gateway({"things": service.port}, ROUTES) as gateway:
        async with connected(gateway.port) as client:
            await client.send(b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf of it")
            await service.until_open_connections(1)
        await service.until_open_connections(0)
        await eventually(lambda: not gateway.server.connections)

    assert service.requests == []


async def test_a_head_that_is_refused_for_its_body_is_answered_without_one() -> None:
    nonsense = b"HEAD /api/things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n"
    async with (
        RequestRecorder() as recorder,
        open_gateway({"things": recorder.port}, ROUTES) as gateway,
        connected(gateway.port) as client,
    ):
        await client.send(nonsense)
        status, fields = await client.head()
        rest = await client.rest()

    assert (status, fields["connection"], rest) == (400, "close", b"")


async def test_slow_bodies_leave_half_of_a_services_connections_to_others() -> None:
    body = b"x" * 100_000
    async with (
        RequestRecorder() as recorder,
        open_gateway({"things": recorder.port}, ROUTES, max_connections_per_instance=4) as gateway,
        contextlib.AsyncExitStack() as stack,
    ):
        slow = [await stack.enter_async_context(connected(gateway.port)) for _ in range(20)]
        for client in slow:
            await client.send(b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
            await client.send(body[:10])
        async with connected(gateway.port) as client:
            others = [await client.request(raw) for raw in (GET, POST) * 5]
        connections = recorder.connections
        for client in slow:
            await client.send(body[10:])
        late = [await client.answer() for client in slow]

    assert {each.status for each in others} == {200}
    assert connections <= 3
    assert all(each.body.endswith(body) for each in late)
    assert not recorder.violations
