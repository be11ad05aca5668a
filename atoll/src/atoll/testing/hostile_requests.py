"""Any bytes thrown at a gateway, in every cut: what must come of them, and that nobody else is hurt.

Behind the gateway stands a `RequestRecorder` that mirrors. After each throw a canary asks, on the same connection
where that goes on and on a fresh one, and must get its own answer. Nothing may reach the recorder that was
not meant to: no smuggled request, no byte of a refused one that could pass for a whole message.
"""

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from atoll.testing.cuts import Way, let_the_other_end_read
from atoll.testing.raw_http import RawAnswer, RawClient, connected
from atoll.testing.request_recorder import RequestRecorder

CANARY = "/api/things?canary="
SMUGGLED = b"GET /api/things?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
AT_ONCE = 32
"""Throws under way at the same time."""

_OURS = {
    b"host": rb"127\.0\.0\.1:[0-9]+",
    b"x-forwarded-for": rb"127\.0\.0\.1",
    b"x-forwarded-proto": rb"http",
    b"x-forwarded-host": rb"[^,]*",
    b"traceparent": rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]",
    b"x-request-id": rb"[0-9a-f-]+",
    b"atoll-remaining-ms": rb"[1-9][0-9]*",
}
"""What the gateway sets itself, each once, and how that looks."""

_OURS_AT_TIMES = {b"atoll-caller-retries": rb"yes"}
"""The same, for what is not on every request."""


@dataclass(frozen=True)
class Refused:
    """The gateway answers with this status, and closes; the services hear nothing that is whole."""

    status: int = 400


@dataclass(frozen=True)
class Answered:
    """The gateway answers with this status by itself, and the connection goes on."""

    status: int


@dataclass(frozen=True)
class Forwarded:
    """The service sees exactly this message, besides what the gateway sets itself; the client gets its answer.

    `fields` are lines without their ends, in order. The connection goes on unless it `closes`.
    """

    line: bytes
    fields: tuple[bytes, ...] = ()
    body: bytes = b""
    host: bytes = b"x"
    closes: bool = False


Outcome: TypeAlias = Refused | Answered | Forwarded


@dataclass(frozen=True)
class HostileRequest:
    """Bytes, and what must come of them."""

    name: str
    raw: bytes
    outcome: Outcome

    def __str__(self) -> str:
        return self.name


class OneByOne:
    """Connects clients to a port one after the other, each when the one before was accepted.

    A server on uvloop accepts one in each turn of its loop. Who sends before its turn would have all its pieces read
    as one.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[RawClient]:
        """A connection that has been accepted, while the block runs."""
        async with contextlib.AsyncExitStack() as stack:
            async with self._turn:
                client = await stack.enter_async_context(connected(self._port))
                await let_the_other_end_read()
            yield client


class Thrower:
    """Throws at the gateway on `port`, which has `recorder` behind it at `/api/things`."""

    def __init__(self, port: int, recorder: RequestRecorder) -> None:
        self._clients = OneByOne(port)
        self._recorder = recorder
        self._numbers = itertools.count(1)
        self.thrown = 0
        """How often bytes were thrown so far."""

    async def throw(self, request: HostileRequest, ways: Iterable[Way]) -> None:
        """Throw the bytes in all these ways; AssertionError says in which of them something else came of it."""
        self._recorder.forget()
        before = self.thrown
        pending = iter(ways)

        async def some() -> None:
            for way in pending:
                self.thrown += 1
                try:
                    await self._throw_once(request, way)
                except (AssertionError, asyncio.IncompleteReadError, TimeoutError, OSError) as error:
                    error.add_note(f"{request.name}, {way}: {request.raw[:200]!r}")
                    raise

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(some())
        meant = self.thrown - before if isinstance(request.outcome, Forwarded) else 0
        reached = [each for each in self._recorder.requests if b"?canary=" not in each.target]

        assert not self._recorder.violations
        assert len(reached) == meant, f"{request.name}: something else reached the service: {reached[:1]}"

    async def _throw_once(self, request: HostileRequest, way: Way) -> None:
        async with self._clients.connected() as client:
            ahead = self._canary() if way.behind else b""
            after = SMUGGLED if isinstance(request.outcome, Refused) else b""
            first = ahead
            for piece in way.pieces(request.raw):
                await client.send(first + piece)
                await let_the_other_end_read()
                first = b""
            await client.send(after)
            if ahead:
                self._check_canary(ahead, await client.answer())
            await self._check(request.outcome, client, to_head=request.raw.startswith(b"HEAD "))
        async with self._clients.connected() as fresh:
            await self._ask_canary(fresh)

    async def _check(self, outcome: Outcome, client: RawClient, *, to_head: bool) -> None:
        answer = await client.answer(to_head=to_head)
        if isinstance(outcome, Forwarded):
            assert answer.status == 200, f"{answer.status} {answer.body[:200]!r}"
            self._check_forwarded(outcome, answer, to_head=to_head)
            closes = outcome.closes
        else:
            assert answer.status == outcome.status, f"{answer.status} {answer.body[:200]!r}"
            assert answer.fields["content-type"] == "application/problem+json" or answer.status < 400
            closes = isinstance(outcome, Refused)
        assert closes == (answer.fields.get("connection") == "close")
        if closes:
            assert await client.is_closed(), "more than one answer"
        else:
            await self._ask_canary(client)

    def _check_forwarded(self, outcome: Forwarded, answer: RawAnswer, *, to_head: bool) -> None:
        seen = self._recorder.request(answer.fields["x-request-id"])
        forms = _OURS | _OURS_AT_TIMES
        own = {name: value for name, value in seen.fields if name in forms}
        others = tuple(name + b": " + value for name, value in seen.fields if name not in forms)

        message = (b"%b %b" % (seen.method, seen.target), others, seen.body)
        assert message == (outcome.line, outcome.fields, outcome.body), f"the service saw {message}"
        assert own.keys() >= _OURS.keys(), "the gateway has left out some of its own fields"
        for name, value in own.items():
            assert re.fullmatch(forms[name], value), (name, value)
        assert seen.value(b"x-forwarded-host") == outcome.host
        assert to_head or answer.body == seen.raw, "somebody else's answer"

    def _canary(self) -> bytes:
        return b"GET %b%d HTTP/1.1\r\nHost: canary\r\n\r\n" % (CANARY.encode(), next(self._numbers))

    async def _ask_canary(self, client: RawClient) -> None:
        canary = self._canary()
        self._check_canary(canary, await client.request(canary))

    def _check_canary(self, canary: bytes, answer: RawAnswer) -> None:
        target = canary.split(b" ")[1].removeprefix(b"/api")
        line = answer.body.partition(b"\r\n")[0]

        assert (answer.status, line) == (200, b"GET %b HTTP/1.1" % target), "a canary got another answer"
