"""One request at the door, and how it is asked again."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from atoll.testing.clock import ManualClock
from atoll.testing.scripted_server import Peer, Script, ScriptedServer, answer_all
from shop_proof.history import HistoryFile, read_histories
from shop_proof.load.door import Ask, Door, NoAnswer
from shop_proof.load.insisting import PATIENCE, Insisting

ORDER = Ask("POST", "/api/orders", b'{"items":[]}', key="one", by="ann", token="secret-token")


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def text_of(history: Path) -> str:
    return history.read_text()


Open: TypeAlias = Callable[[Script], AbstractAsyncContextManager[tuple[Door, ScriptedServer]]]


@pytest.fixture
def opened(history: Path) -> Open:
    """A door to a server that follows a script."""

    @asynccontextmanager
    async def opened(script: Script) -> AsyncIterator[tuple[Door, ScriptedServer]]:
        with HistoryFile(history, "http://here") as recorder:
            async with ScriptedServer(script) as server, Door(server.url, recorder, connections=2) as door:
                yield door, server

    return opened


async def hang_up(peer: Peer) -> None:
    await peer.request()


async def test_a_request_goes_out_whole_and_its_answer_comes_back_as_it_is(opened: Open) -> None:
    async with opened(answer_all) as (door, server):
        reply = await door.ask(ORDER)
        (request,) = server.requests

    assert (200, b"{}") == (reply.status, reply.body)
    assert ("POST", "/api/orders", b'{"items":[]}') == (request.method, request.target, request.body)
    assert ("one", "Bearer secret-token") == (request.fields["idempotency-key"], request.fields["authorization"])
    assert "application/json" == request.fields["content-type"]


async def test_the_history_has_both_and_no_token(opened: Open, history: Path) -> None:
    async with opened(answer_all) as (door, _):
        await door.ask(ORDER)
    (told,) = read_histories([history]).requests

    assert ("ann", "one", '{"items":[]}') == (told.by, told.key, told.body)
    assert told.answer is not None
    assert "secret-token" not in text_of(history)


async def test_what_is_private_is_not_in_the_history_nor_the_body_that_has_a_secret(
    opened: Open, history: Path
) -> None:
    async with opened(answer_all) as (door, _):
        await door.ask(Ask("POST", "/api/auth/login", b"secret", private=True))
        await door.ask(Ask("POST", "/api/users", b"secret", told=b"told"))
    (told,) = read_histories([history]).requests

    assert ("/api/users", "told") == (told.path, told.body)
    assert "secret" not in text_of(history)


async def test_a_lost_answer_is_noted_as_none(opened: Open, history: Path) -> None:
    async with opened(hang_up) as (door, _):
        with pytest.raises(NoAnswer):
            await door.ask(ORDER)
    (told,) = read_histories([history]).requests

    assert told.answer is None


async def test_nobody_listening_is_no_answer(opened: Open) -> None:
    async with opened(answer_all) as (door, server):
        server.stop_listening()
        with pytest.raises(NoAnswer, match="Cannot connect"):
            await door.ask(ORDER)


async def lost_then_busy_then_good(peer: Peer) -> None:
    await peer.request()
    if peer.number == 1:
        return
    await peer.answer(status=503, fields="Retry-After: 3\r\n")
    await peer.request()
    await peer.answer(status=409)
    await peer.request()
    await peer.answer(b"[1]", status=201)
    await peer.gone()


class Insistent:
    """Somebody who asks again, in a time that the test moves."""

    def __init__(self, door: Door) -> None:
        self.clock = ManualClock()
        self.repeats: list[int] = []
        self.ask = Insisting(door, self.repeats.append, self.clock, random.Random(7))  # noqa: S311 - jitter


async def test_what_does_not_count_is_asked_again_with_the_same_key(opened: Open) -> None:
    async with opened(lost_then_busy_then_good) as (door, server):
        insistent = Insistent(door)
        insisted = await with_time(insistent, still_runs=409)

        assert {"one"} == {request.fields["idempotency-key"] for request in server.requests}
        assert [0, 503, 409] == insistent.repeats
    assert 201 == insisted


async def with_time(insistent: Insistent, still_runs: int = 0) -> int:
    """The final status, with time passing whenever somebody waits for it."""
    asking = asyncio.create_task(insistent.ask(ORDER, still_runs=still_runs))
    while not asking.done():
        sleeping = asyncio.create_task(insistent.clock.wait_for_sleepers())
        await asyncio.wait((asking, sleeping), return_when=asyncio.FIRST_COMPLETED)
        if sleeping.done():
            await insistent.clock.advance(5)
        sleeping.cancel()
    return (await asking).status


async def always_busy(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.answer(status=503)


async def test_patience_has_an_end(opened: Open) -> None:
    async with opened(always_busy) as (door, _):
        insistent = Insistent(door)
        status = await with_time(insistent)

    assert 503 == status
    assert insistent.clock.monotonic() <= PATIENCE + 5


async def test_a_refusal_is_an_answer(opened: Open) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.request()
        await peer.answer(status=400)
        await peer.gone()

    async with opened(refuse) as (door, server):
        insistent = Insistent(door)
        status = await with_time(insistent)

        assert 1 == len(server.requests)
    assert (400, []) == (status, insistent.repeats)
