"""Any bytes for an answer, in every cut: what a gateway must make of them, and that nobody else is hurt.

After each, a canary asks on the same connection where that goes on and on a fresh one, and must get its own answer;
and the service looks whether anything more comes on a connection that it has spoilt.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from atoll.testing.cuts import Way, let_the_other_end_read
from atoll.testing.raw_http import RawAnswer, RawClient, connected
from atoll.testing.scripted_server import ClientGone, Peer, ScriptedServer

CANARY = "/things?canary="
PATIENCE = 10.0
"""Seconds in which everything about one answer has happened, or never will."""


class Ending(Enum):
    """What the service does once it has sent its bytes."""

    STAY = "stay"
    CLOSE = "close"
    RESET = "reset"


@dataclass(frozen=True)
class Bad:
    """The client is told 502, and its connection goes on."""


@dataclass(frozen=True)
class CutOff:
    """The client gets an answer with this status that breaks off, after this much of its body at the most."""

    status: int = 200
    body: bytes = b""


@dataclass(frozen=True)
class Passed:
    """The client gets this answer whole; `reused` says whether more may be asked on the service's connection."""

    status: int = 200
    body: bytes = b""
    reused: bool = False


Outcome: TypeAlias = Bad | CutOff | Passed


@dataclass(frozen=True)
class HostileAnswer:
    """Bytes for an answer to `method`, and what must come of them."""

    name: str
    raw: bytes
    outcome: Outcome
    ending: Ending = Ending.STAY
    method: str = "POST"

    def __str__(self) -> str:
        return self.name


class LyingService:
    """A service that answers canaries, and whatever else with the bytes that it is given. Enter `listening`."""

    def __init__(self) -> None:
        self.misused: list[str] = []
        """What came on connections that were spoilt."""
        self.port = 0
        self._next: tuple[HostileAnswer, Way] | None = None
        self._said = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["LyingService"]:
        """On a free port, for the length of the block."""
        async with ScriptedServer(self._serve) as server:
            self.port = server.port
            yield self

    def prepare(self, answer: HostileAnswer, way: Way) -> None:
        """The answer for the next request that is no canary."""
        self._next = answer, way
        self._said.clear()

    async def said(self) -> None:
        """Suspend until all bytes of the hostile answer have gone, and been read if anybody reads."""
        await self._said.wait()

    async def _serve(self, peer: Peer) -> None:
        while True:
            request = await peer.request()
            if request.target.startswith(CANARY):
                once = "" if request.target.endswith("&stay") else "Connection: close\r\n"
                await peer.answer(request.target.encode(), fields=once)
                continue
            if self._next is None:
                raise AssertionError("nothing is prepared")
            answer, way = self._next
            self._next = None
            await self._reply(peer, answer, way)
            if not isinstance(answer.outcome, Passed) or not answer.outcome.reused:
                await self._look_for_more(peer)
                return

    async def _reply(self, peer: Peer, answer: HostileAnswer, way: Way) -> None:
        try:
            for piece in way.pieces(answer.raw):
                await peer.send(piece)
                await let_the_other_end_read()
            if answer.ending is Ending.CLOSE:
                peer.close()
            elif answer.ending is Ending.RESET:
                peer.reset()
            await let_the_other_end_read()
        except ClientGone:
            pass
        finally:
            self._said.set()

    async def _look_for_more(self, peer: Peer) -> None:
        try:
            more = await peer.head()
        except (ClientGone, ValueError, AssertionError):
            return
        self.misused.append(f"{more.method} {more.target}")


class Examiner:
    """Asks through the gateway on `port`, which has `service` behind it at `/api/things`."""

    def __init__(self, port: int, service: LyingService) -> None:
        self._port = port
        self._service = service
        self._numbers = itertools.count(1)
        self.asked = 0
        """How many hostile answers were sent so far."""

    async def examine(self, answer: HostileAnswer, ways: Iterable[Way]) -> None:
        """Have the answer sent in all these ways; AssertionError says in which of them something else came of it."""
        for way in ways:
            self.asked += 1
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._examine_once(answer, way)
            except (AssertionError, asyncio.IncompleteReadError, TimeoutError, OSError) as error:
                error.add_note(f"{answer.name}, {way}: {answer.raw[:200]!r}")
                raise
        assert not self._service.misused, f"{answer.name}: a spoilt connection was used again: {self._service.misused}"

    async def _examine_once(self, answer: HostileAnswer, way: Way) -> None:
        async with connected(self._port) as client:
            if way.behind:
                await self._ask_canary(client, "&stay")
            self._service.prepare(answer, way)
            length = "Content-Length: 0\r\n" if answer.method == "POST" else ""
            await client.send(f"{answer.method} /api/things HTTP/1.1\r\nHost: x\r\n{length}\r\n".encode())
            await self._check(answer, client)
        async with connected(self._port) as fresh:
            await self._ask_canary(fresh)

    async def _check(self, answer: HostileAnswer, client: RawClient) -> None:
        outcome, to_head = answer.outcome, answer.method == "HEAD"
        if isinstance(outcome, CutOff):
            await self._check_cut_off(outcome, client)
            return
        seen = await client.answer(to_head=to_head)
        await self._service.said()
        if isinstance(outcome, Passed):
            assert (seen.status, seen.body) == (outcome.status, outcome.body), seen
        else:
            self._check_bad(seen)
        assert "connection" not in seen.fields, "the client's connection had no part in it"
        await self._ask_canary(client)

    async def _check_cut_off(self, outcome: CutOff, client: RawClient) -> None:
        status, fields = await client.head()
        if status == 502:  # the head had not gone yet when the fault came
            return
        rest = await client.rest()
        chunked = fields.get("transfer-encoding") == "chunked"
        body = _unchunked(rest) if chunked else rest

        assert status == outcome.status
        assert outcome.body.startswith(body), body
        assert not rest.endswith(b"0\r\n\r\n") if chunked else len(rest) < int(fields["content-length"])

    def _check_bad(self, seen: RawAnswer) -> None:
        assert seen.status == 502, seen
        assert seen.fields["content-type"] == "application/problem+json"

    async def _ask_canary(self, client: RawClient, then: str = "") -> None:
        target = f"{CANARY}{next(self._numbers)}{then}"
        answer = await client.request(f"GET /api{target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

        assert (answer.status, answer.body) == (200, target.encode()), f"a canary got another answer: {answer}"


def _unchunked(data: bytes) -> bytes:
    """The chunks of a body that breaks off."""
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body, data = body + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return body
