"""Services that fail, and go on failing: who is asked then, how often, and what the gateway tells of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from atoll.runner.calls_status import CallsStatus, calls_in
from atoll.testing.raw_http import RawAnswer, connected
from atoll.testing.scripted_server import Peer, ScriptedServer, answer_all

Instances = Any
OpenDoor = Any
Script = Callable[[Peer], Awaitable[None]]

GET = b"GET /api/things HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
POST_WITH_KEY = POST.replace(b"Host: x", b"Host: x\r\nIdempotency-Key: k")
METRICS = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def answering(body: bytes = b"{}", *, status: int = 200, fields: str = "") -> Script:
    """A script: answer everything in this way."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(body, status=status, fields=fields)

    return script


async def ask_often(port: int, raw: bytes, times: int) -> list[RawAnswer]:
    """One request after the other, on one connection."""
    async with connected(port) as client:
        return [await client.request(raw) for _ in range(times)]


def calls_to_things(exposition: str) -> CallsStatus:
    """As `atoll status` reads it from the metrics."""
    (calls,) = (each for each in calls_in(exposition) if each.to == "things")
    return calls


class TestTheWrongService:
    async def test_what_services_tell_each_other_stays_inside(self, open_door: OpenDoor, instances: Instances) -> None:
        async with ScriptedServer(answering(fields="Atoll-Service: things\r\nAtoll-Else: 1\r\n")) as things:
            door = await open_door(instances(things=things.port))
            answer = await door.ask(GET)

        assert answer.status == 200
        assert not [name for name in answer.fields if name.startswith("atoll")]

    @pytest.mark.parametrize("raw", [GET, POST])
    async def test_its_answer_is_502_and_it_is_never_asked_again(
        self, open_door: OpenDoor, instances: Instances, raw: bytes
    ) -> None:
        async with ScriptedServer(answering(b"not yours", fields="Atoll-Service: users\r\n")) as other:
            door = await open_door(instances(things=other.port))
            first = await door.ask(raw)
            second = await door.ask(raw)

        assert (first.status, second.status) == (502 if raw == POST else 503, 503)
        assert b"not yours" not in first.body
        assert len([each for each in other.requests if each.target == "/things"]) == 1

    async def test_what_may_be_repeated_finds_the_right_one(self, open_door: OpenDoor, instances: Instances) -> None:
        async with (
            ScriptedServer(answering(b"not yours", fields="Atoll-Service: users\r\n")) as other,
            ScriptedServer(answering(b"yours", fields="Atoll-Service: things\r\n")) as things,
        ):
            door = await open_door(instances(things=(other.port, things.port)))
            answers = await ask_often(door.port, POST_WITH_KEY, 10)

        assert {each.body for each in answers} == {b"yours"}
        assert len([each for each in other.requests if each.method == "POST"]) <= 1


class TestFailingInstances:
    async def test_the_bad_one_of_two_is_left_out_and_not_its_service(
        self, open_door: OpenDoor, instances: Instances
    ) -> None:
        all_are_there = asyncio.Barrier(30)

        def together(status: int) -> Script:
            async def script(peer: Peer) -> None:
                await peer.request()
                await all_are_there.wait()
                await peer.answer(status=status)
                await answering(status=status)(peer)

            return script

        async with ScriptedServer(together(500)) as bad, ScriptedServer(together(200)) as good:
            door = await open_door(instances(things=(bad.port, good.port)))
            await asyncio.gather(*(door.ask(POST) for _ in range(30)))
            told = (await door.ask_ops(METRICS)).body.decode()
            asked_before = len(bad.requests)
            after = await ask_often(door.port, POST, 30)
        calls = calls_to_things(told)

        assert calls.instances == {f"127.0.0.1:{bad.port}": "open", f"127.0.0.1:{good.port}": "closed"}
        assert calls.ejections == 1
        assert {each.status for each in after} == {200}
        assert [each for each in bad.requests[asked_before:] if each.method == "POST"] == []

    async def test_the_last_one_is_asked_whatever_it_answers(self, open_door: OpenDoor, instances: Instances) -> None:
        async with ScriptedServer(answering(status=500)) as things:
            door = await open_door(instances(things=things.port))
            answers = await ask_often(door.port, GET, 30)

        assert {each.status for each in answers} == {500}
        assert len(things.requests) == 30

    async def test_answers_of_4xx_are_the_clients_fault(self, open_door: OpenDoor, instances: Instances) -> None:
        async with ScriptedServer(answering(status=404)) as things, ScriptedServer(answering(status=409)) as others:
            door = await open_door(instances(things=(things.port, others.port)))
            await asyncio.gather(*(door.ask(POST) for _ in range(60)))
            told = (await door.ask_ops(METRICS)).body.decode()

        assert min(len(things.requests), len(others.requests)) > 0
        assert {state for each in calls_in(told) for state in each.instances.values()} == {"closed"}

    async def test_clients_that_go_away_say_nothing_of_the_instance(
        self, open_door: OpenDoor, instances: Instances
    ) -> None:
        asked = asyncio.Semaphore(0)

        async def silent(peer: Peer) -> None:
            await peer.request()
            asked.release()
            await peer.gone()

        async with ScriptedServer(silent) as things, ScriptedServer(silent) as others:
            door = await open_door(instances(things=(things.port, others.port)))
            for _ in range(20):
                async with connected(door.port) as client:
                    await client.send(GET)
                    await asked.acquire()
            told = (await door.ask_ops(METRICS)).body.decode()

        assert {state for each in calls_in(told) for state in each.instances.values()} == {"closed"}


class TestRetries:
    async def test_when_everything_fails_little_more_arrives_than_was_asked(
        self, open_door: OpenDoor, instances: Instances
    ) -> None:
        async def deaf(peer: Peer) -> None:
            await peer.request()

        async with ScriptedServer(deaf) as things:
            door = await open_door(instances(things=things.port))
            began = time.monotonic()
            await asyncio.gather(*(ask_often(door.port, GET, 10) for _ in range(40)))
            taken = time.monotonic() - began
            told = (await door.ask_ops(METRICS)).body.decode()
            telling = time.monotonic() - began - taken
        calls = calls_to_things(told)

        floor = 10 * (10 + taken)  # ten a second, for ten seconds before and as long as it took
        assert 400 < len(things.requests) <= 400 * 1.2 + floor
        assert calls.retries == len(things.requests) - 400
        assert calls.retries_left < 1 + 10 * telling

    async def test_a_service_that_asks_to_come_back_later_is_asked_later(
        self, open_door: OpenDoor, instances: Instances
    ) -> None:
        async def busy_first(peer: Peer) -> None:
            if peer.number == 1:
                await peer.request()
                await peer.answer(b"busy", status=503, fields="Retry-After: 0\r\n")
            else:
                await answer_all(peer)

        async with ScriptedServer(busy_first) as things:
            door = await open_door(instances(things=things.port))
            answer = await door.ask(POST_WITH_KEY)

        assert answer.status == 200
        assert [each.body for each in things.requests] == [b"abc", b"abc"]

    @pytest.mark.parametrize(("raw", "after"), [(POST, "0"), (GET, "3"), (GET, "Sun, 22 Nov 2026 06:30:51 GMT")])
    async def test_other_refusals_are_the_clients_to_see(
        self, open_door: OpenDoor, instances: Instances, raw: bytes, after: str
    ) -> None:
        async with ScriptedServer(answering(b"busy", status=503, fields=f"Retry-After: {after}\r\n")) as things:
            door = await open_door(instances(things=things.port))
            answer = await door.ask(raw)

        assert (answer.status, answer.body, answer.fields["retry-after"]) == (503, b"busy", after)
        assert len(things.requests) == 1

    async def test_services_behind_are_told_who_repeats(self, open_door: OpenDoor, instances: Instances) -> None:
        long = b"PUT /api/things/1/parts HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000
        async with ScriptedServer(answer_all) as things:
            door = await open_door(instances(things=things.port, parts=things.port))
            for raw in (GET, POST, POST_WITH_KEY, long):
                await door.ask(raw)

        assert [each.fields.get("atoll-caller-retries") for each in things.requests] == ["yes", None, "yes", None]
