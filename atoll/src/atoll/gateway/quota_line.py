"""Workers of one gateway count limits together: their quota store is their parent, at the other end of a socket."""

import asyncio
import itertools
import socket
from types import TracebackType
from typing import Self

import msgspec

from atoll.limits.policy import LimitPolicy
from atoll.limits.quota_store import Grant, QuotaStore, StoreAway

PATIENCE = 1.0
"""Seconds for an answer of the parent."""

_LONGEST_LINE = 64 * 1024


class _Question(msgspec.Struct, array_like=True):
    """Of one worker; `wanted` is 0 when `units` are given back to `slot`. Without a policy: how many share?"""

    number: int
    policy: LimitPolicy | None = None
    caller: str = ""
    units: int = 0
    wanted: int = 0
    slot: float = 0.0


class _Answer(msgspec.Struct, array_like=True):
    """With the question's number; `retry_after` of None is never."""

    number: int
    units: int = 0
    remaining: int = 0
    reset: float = 0.0
    retry_after: float | None = 0.0
    slot: float = 0.0


_encode = msgspec.json.Encoder().encode
_questions = msgspec.json.Decoder(_Question)
_answers = msgspec.json.Decoder(_Answer)


class QuotaLine:
    """A worker's end: a `QuotaStore`, to be entered as an async context manager before use."""

    def __init__(self, line: socket.socket) -> None:
        self._socket = line
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[_Answer]] = {}

    async def take(self, policy: LimitPolicy, caller: str, needed: int, wanted: int) -> Grant:
        answer = await self._ask(_Question(next(self._numbers), policy, caller, needed, wanted))
        never = float("inf") if answer.retry_after is None else answer.retry_after
        return Grant(answer.units, answer.remaining, answer.reset, never, answer.slot)

    async def give_back(self, policy: LimitPolicy, caller: str, slot: float, units: int) -> None:
        await self._ask(_Question(next(self._numbers), policy, caller, units, slot=slot))

    async def sharers(self) -> int:
        return (await self._ask(_Question(next(self._numbers)))).units

    async def _ask(self, question: _Question) -> _Answer:
        answered = self._waiting[question.number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(_encode(question) + b"\n")
            async with asyncio.timeout(PATIENCE):
                answer: _Answer = await answered
                return answer
        except OSError as error:
            raise StoreAway("the gateway's first process does not answer") from error
        finally:
            self._waiting.pop(question.number, None)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            answer = _answers.decode(line)
            waiting = self._waiting.get(answer.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    async def __aenter__(self) -> Self:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._socket, limit=_LONGEST_LINE)
        self._listening = asyncio.create_task(self._listen(reader), name="answers about limits")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.close()


async def serve_quota(line: socket.socket, store: QuotaStore) -> None:
    """The parent's end: answer a worker's questions, one after the other, until it hangs up."""
    reader, writer = await asyncio.open_unix_connection(sock=line, limit=_LONGEST_LINE)
    try:
        while text := await reader.readline():
            writer.write(_encode(await _answer(_questions.decode(text), store)) + b"\n")
    except ConnectionError:
        pass  # it is gone
    finally:
        writer.close()


async def _answer(question: _Question, store: QuotaStore) -> _Answer:
    policy, number = question.policy, question.number
    if policy is None:
        return _Answer(number, await store.sharers())
    if not question.wanted:
        await store.give_back(policy, question.caller, question.slot, question.units)
        return _Answer(number)
    grant = await store.take(policy, question.caller, question.units, question.wanted)
    retry_after = None if grant.retry_after == float("inf") else grant.retry_after
    return _Answer(number, grant.units, grant.remaining, grant.reset, retry_after, grant.slot)
