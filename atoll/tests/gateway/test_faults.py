"""Services that fail at each moment: what the client is told, and what is never done twice."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from atoll.gateway.settings import RouteSettings
from atoll.testing.raw_http import RawAnswer, connected
from atoll.testing.scripted_server import Peer, ScriptedServer, answer_all

Instances = Any
OpenDoor = Any

GET = b"GET /api/things HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
POST_WITH_KEY = POST.replace(b"Host: x", b"Host: x\r\nIdempotency-Key: k")


def status_of(answer: RawAnswer) -> int:
    assert answer.fields["content-type"] == "application/problem+json"
    assert len(answer.json()["traceId"]) == 32
    return answer.status


async def unused_port() -> int:
    async with ScriptedServer(answer_all) as server:
        return server.port


async def test_no_instance_is_503(open_door: OpenDoor, instances: Instances) -> None:
    door = await open_door(instances())
    answer = await door.ask(GET)

    assert status_of(answer) == 503
    assert answer.json()["detail"] == "No instance of the things service is known."
    assert answer.fields["retry-after"] == "1"


async def test_nobody_listening_is_503(open_door: OpenDoor, instances: Instances) -> None:
    door = await open_door(instances(things=await unused_port()))
    answers = [await door.ask(raw) for raw in (GET, POST)]

    assert [status_of(each) for each in answers] == [503, 503]


async def test_another_instance_is_asked_when_one_does_not_listen(open_door: OpenDoor, instances: Instances) -> None:
    dead = await unused_port()
    async with ScriptedServer(answer_all) as things:
        door = await open_door(instances(things=(dead, things.port)))
        answers = [await door.ask(raw) for raw in (GET, POST) * 5]

    assert {each.status for each in answers} == {200}
    assert [each.body for each in things.requests] == [b"", b"abc"] * 5


def once_then_well(fail: Callable[[Peer], Awaitable[None]]) -> Callable[[Peer], Awaitable[None]]:
    """A script that fails the first connection's request, and answers everything after."""

    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await peer.request()
            await fail(peer)
        else:
            await answer_all(peer, b"second")

    return script


async def close(peer: Peer) -> None:
    peer.close()


async def reset(peer: Peer) -> None:
    peer.reset()


async def half_a_head(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-")
    peer.close()


@pytest.mark.parametrize("fail", [close, reset, half_a_head])
async def test_what_may_be_repeated_is_sent_again_when_no_answer_came(
    open_door: OpenDoor, instances: Instances, fail: Callable[[Peer], Awaitable[None]]
) -> None:
    for raw in (GET, POST_WITH_KEY):
        async with ScriptedServer(once_then_well(fail)) as things:
            door = await open_door(instances(things=things.port))
            answer = await door.ask(raw)

        assert (answer.status, answer.body) == (200, b"second")
        assert len(things.requests) == 2
        assert things.requests[0].body == things.requests[1].body


@pytest.mark.parametrize("fail", [close, reset, half_a_head])
async def test_a_post_without_a_key_is_never_sent_twice(
    open_door: OpenDoor, instances: Instances, fail: Callable[[Peer], Awaitable[None]]
) -> None:
    async with ScriptedServer(once_then_well(fail)) as things:
        door = await open_door(instances(things=things.port))
        answer = await door.ask(POST)

    assert status_of(answer) == 502
    assert len(things.requests) == 1


async def test_attempts_are_few(open_door: OpenDoor, instances: Instances) -> None:
    async def always_close(peer: Peer) -> None:
        await peer.request()

    async with ScriptedServer(always_close) as things:
        door = await open_door(instances(things=things.port))
        answer = await door.ask(GET)

    assert status_of(answer) == 502
    assert len(things.requests) == 3


async def test_a_kept_connection_that_the_service_closes_just_now_costs_a_repeatable_request_nothing(
    open_door: OpenDoor, instances: Instances
) -> None:
    async def one_each(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"first")
        if peer.number == 1:
            await peer.request()  # and says nothing
        else:
            await answer_all(peer)

    async with ScriptedServer(one_each) as things:
        door = await open_door(instances(things=things.port))
        first = await door.ask(GET)
        second = await door.ask(GET)

    assert (first.status, second.status) == (200, 200)
    assert len(things.requests) == 3


async def test_a_body_too_large_to_keep_is_not_sent_again(open_door: OpenDoor, instances: Instances) -> None:
    body = b"x" * 70_000
    raw = b"POST /api/things HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with ScriptedServer(once_then_well(close)) as things:
        door = await open_door(instances(things=things.port))
        answer = await door.ask(raw + body)

    assert status_of(answer) == 502
    assert len(things.requests) == 1


async def test_a_body_half_sent_goes_on_at_the_next_instance(open_door: OpenDoor, instances: Instances) -> None:
    lost = asyncio.Event()

    async def first_dies(peer: Peer) -> None:
        if peer.number == 1:
            await peer.head()
            await peer.chunk()
            peer.reset()
            lost.set()
        else:
            await answer_all(peer)

    async with ScriptedServer(first_dies) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            await client.send(
                b"POST /api/things HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3\r\nabc\r\n"
            )
            await lost.wait()
            await client.send(b"3\r\ndef\r\n0\r\n\r\n")
            answer = await client.answer()

    assert answer.status == 200
    assert things.requests[0].body == b"abcdef"


BROKEN = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "control byte": b"HTTP/1.1 200 OK\r\nA: b\x00c\r\nContent-Length: 0\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
async def test_an_answer_that_breaks_the_rules_is_502_and_its_connection_is_not_used_again(
    open_door: OpenDoor, instances: Instances, raw: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await peer.send(raw)
            await peer.gone()
        else:
            await peer.answer(b"well")

    async with ScriptedServer(script) as things:
        door = await open_door(instances(things=things.port))
        answer = await door.ask(GET)
        after = await door.ask(GET)

    assert status_of(answer) == 502
    assert after.body == b"well"


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n",
    ],
)
async def test_an_answer_that_breaks_off_breaks_off_for_the_client_too(
    open_door: OpenDoor, instances: Instances, start: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(start)

    async with ScriptedServer(script) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            await client.send(GET)
            with pytest.raises(asyncio.IncompleteReadError):
                await client.answer()

    assert len(things.requests) == 1


async def test_bytes_after_an_answer_are_nobodys_answer(open_door: OpenDoor, instances: Instances) -> None:
    async def chatty(peer: Peer) -> None:
        await peer.request()
        extra = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" if peer.number == 1 else b""
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + extra)
        await peer.gone()

    async with ScriptedServer(chatty) as things:
        door = await open_door(instances(things=things.port))
        async with connected(door.port) as client:
            answers = [await client.request(GET) for _ in range(3)]

    assert [each.body for each in answers] == [b"good"] * 3


class TestTime:
    async def test_no_answer_in_time_is_504(self, open_door: OpenDoor, instances: Instances) -> None:
        async def silent(peer: Peer) -> None:
            await peer.request()
            await peer.gone()

        async with ScriptedServer(silent) as things:
            door = await open_door(instances(things=things.port), attempt_timeout=0.05)
            get = await door.ask(GET)
            tries_of_get = len(things.requests)
            post = await door.ask(POST)
            await things.until_open_connections(0)

        assert [status_of(get), status_of(post)] == [504, 504]
        assert tries_of_get == 3
        assert len(things.requests) == tries_of_get + 1

    async def test_a_slow_instance_costs_one_attempt(self, open_door: OpenDoor, instances: Instances) -> None:
        async def first_silent(peer: Peer) -> None:
            if peer.number == 1:
                await peer.request()
                await peer.gone()
            else:
                await answer_all(peer)

        async with ScriptedServer(first_silent) as things:
            door = await open_door(instances(things=things.port), attempt_timeout=0.1)
            answer = await door.ask(GET)
        first, second = (int(each.fields["atoll-remaining-ms"]) for each in things.requests)

        assert answer.status == 200
        assert second < first <= 10_000

    async def test_the_whole_request_has_its_time_too(self, open_door: OpenDoor, instances: Instances) -> None:
        async def silent(peer: Peer) -> None:
            await peer.request()
            await peer.gone()

        async with ScriptedServer(silent) as things:
            door = await open_door(instances(things=things.port), attempt_timeout=30.0, total_timeout=0.1)
            answer = await door.ask(GET)

        assert status_of(answer) == 504
        assert len(things.requests) == 1

    async def test_a_route_can_have_times_of_its_own(self, open_door: OpenDoor, instances: Instances) -> None:
        async def silent(peer: Peer) -> None:
            await peer.request()
            await peer.gone()

        routes = [RouteSettings(path="/things", to="things", access="public", total_timeout=0.05)]
        async with ScriptedServer(silent) as things:
            door = await open_door(instances(things=things.port), routes=routes)
            answer = await door.ask(GET)

        assert status_of(answer) == 504
        assert things.requests[0].fields["atoll-remaining-ms"] == "50"

    async def test_silence_within_an_answer_ends_it(self, open_door: OpenDoor, instances: Instances) -> None:
        async def stops(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            await peer.gone()

        async with ScriptedServer(stops) as things:
            door = await open_door(instances(things=things.port), silence_timeout=0.1)
            async with connected(door.port) as client:
                await client.send(GET)
                with pytest.raises(asyncio.IncompleteReadError):
                    await client.answer()
            await things.until_open_connections(0)

    async def test_an_answer_that_keeps_coming_may_take_as_long_as_it_likes(
        self, open_door: OpenDoor, instances: Instances
    ) -> None:
        async def drips(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            for _ in range(10):
                await asyncio.sleep(0.06)
                await peer.send(b"x")

        async with ScriptedServer(drips) as things:
            door = await open_door(instances(things=things.port), silence_timeout=0.3, total_timeout=0.2)
            answer = await door.ask(GET)

        assert answer.body == b"x" * 10

    async def test_a_client_that_takes_its_time_with_the_body_is_not_upstreams_fault(
        self, open_door: OpenDoor, instances: Instances
    ) -> None:
        async with ScriptedServer(answer_all) as things:
            door = await open_door(instances(things=things.port), attempt_timeout=0.1, total_timeout=0.2)
            async with connected(door.port) as client:
                await client.send(POST[:-2])
                await asyncio.sleep(0.4)
                await client.send(POST[-2:])
                answer = await client.answer()

        assert answer.status == 200

    async def test_a_service_that_reads_nothing_is_504(self, open_door: OpenDoor, instances: Instances) -> None:
        let_go = asyncio.Event()

        async def deaf(peer: Peer) -> None:
            await peer.head()
            await let_go.wait()

        async with ScriptedServer(deaf) as parts:
            door = await open_door(instances(parts=parts.port), attempt_timeout=0.2)
            async with connected(door.port) as client:
                body = b"x" * 20_000_000
                head = b"POST /api/things/1/parts HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
                sending = asyncio.create_task(client.send(head + body))
                answer = await client.answer()
                sending.cancel()
                let_go.set()

        assert status_of(answer) == 504

    async def test_no_free_connection_in_time_is_503(self, open_door: OpenDoor, instances: Instances) -> None:
        async def silent(peer: Peer) -> None:
            await peer.request()
            await peer.gone()

        async with ScriptedServer(silent) as things:
            door = await open_door(
                instances(things=things.port), attempt_timeout=0.5, total_timeout=0.5, max_connections_per_instance=1
            )
            async with connected(door.port) as first:
                await first.send(b"GET /api/things HTTP/1.1\r\nHost: x\r\n\r\n")
                await things.until_open_connections(1)
                await asyncio.sleep(0.1)
                waiting = asyncio.create_task(door.ask(POST))
                answers = [await first.answer(), await waiting]

        assert status_of(answers[0]) == 504
        assert status_of(answers[1]) in {503, 504}


async def test_a_mistake_of_our_own_is_500_and_says_nothing_of_our_inside(
    open_door: OpenDoor, instances: Instances
) -> None:
    class Broken:
        def instances(self, service: str) -> None:
            raise RuntimeError("secret detail")

    door = await open_door(Broken())
    answer = await door.ask(GET)

    assert status_of(answer) == 500
    assert b"secret" not in answer.body


async def test_a_service_that_goes_while_asked_is_still_heard(open_door: OpenDoor, instances: Instances) -> None:
    answer_now = asyncio.Event()

    async def late(peer: Peer) -> None:
        await peer.request()
        await answer_now.wait()
        await peer.answer(b"late")

    async with ScriptedServer(late) as things, ScriptedServer(answer_all) as other:
        directory = instances(things=things.port)
        door = await open_door(directory)
        asking = asyncio.create_task(door.ask(GET))
        await things.until_open_connections(1)
        directory.set("things", other.port)
        elsewhere = await door.ask(GET)
        answer_now.set()
        answer = await asking

    assert (answer.body, elsewhere.body) == (b"late", b"{}")
