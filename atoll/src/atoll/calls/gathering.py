"""Many askers, one call: whoever asks while a call is under way goes with the next one.

    askers ──► one call for all who wait ──► each is answered
       ▲                                          │
       └─── whoever asks meanwhile is in the next ◄┘

A call costs the same whether it asks for one thing or for twenty: the more who ask at once, the less each pays, and one
who is alone waits for nobody. It is the group commit of `atoll.storage.sqlite`, for calls. The other side has to take
many at once and to answer each by itself, refusals included.
"""

import asyncio
import contextvars
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

from atoll import context
from atoll.calls.errors import CallTimeout
from atoll.clock import Clock, SystemClock

W = TypeVar("W")
A = TypeVar("A")

AskMany: TypeAlias = Callable[[Sequence[W]], Awaitable[Sequence[A]]]
"""One call for all that is wanted; its answers are in the same order."""

AT_ONCE = 32
"""Askers in one call: by then what a call costs is small beside what they cost themselves."""


class Gathering(Generic[W, A]):
    """Asks `service`, by `ask_many`, for what many want; with at most `under_way` calls at a time.

    Each asker has its own deadline (`atoll.context`), and may be cancelled. A call is in the trace, and has the
    deadline, of the asker in it that has the most time. What a call raises, each of its askers gets.
    """

    def __init__(
        self,
        service: str,
        ask_many: AskMany[W, A],
        *,
        at_once: int = AT_ONCE,
        under_way: int = 1,
        clock: Clock | None = None,
    ) -> None:
        if at_once < 1 or under_way < 1:
            raise ValueError(f"at_once is {at_once}, and under_way {under_way}; neither may be below 1.")
        self._service = service
        self._ask_many = ask_many
        self._at_once = at_once
        self._free = under_way
        self._clock = clock or SystemClock()
        self._waiting: deque[_Asker[W, A]] = deque()
        self._calls: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Gathering for {self._service}: {len(self._waiting)} waiting, {len(self._calls)} calls under way>"

    async def ask(self, wanted: W) -> A:
        """The answer to `wanted`; raises what the call raises, or `CallTimeout` when the asker's time is up."""
        loop = asyncio.get_running_loop()
        asker: _Asker[W, A] = _Asker(wanted, loop.create_future())
        self._waiting.append(asker)
        if self._free:
            self._free -= 1
            loop.call_soon(self._start_call)
        if asker.deadline == math.inf:
            return await asker.answer
        timer = loop.call_later(asker.deadline - self._clock.monotonic(), self._give_up, asker)
        try:
            return await asker.answer
        finally:
            timer.cancel()

    def _start_call(self) -> None:
        askers = self._next_askers()
        if not askers:
            self._free += 1
            return
        leading = max(askers, key=lambda asker: asker.deadline)
        call = asyncio.get_running_loop().create_task(self._call(askers), context=leading.context)
        self._calls.add(call)  # the loop itself keeps no task alive
        call.add_done_callback(self._calls.discard)

    def _next_askers(self) -> "list[_Asker[W, A]]":
        askers: list[_Asker[W, A]] = []
        while self._waiting and len(askers) < self._at_once:
            asker = self._waiting.popleft()
            if not asker.answer.done():
                asker.is_asked_for = True
                askers.append(asker)
        return askers

    async def _call(self, askers: "Sequence[_Asker[W, A]]") -> None:
        try:
            answers = await self._answers([asker.wanted for asker in askers])
        except asyncio.CancelledError:
            for asker in askers:
                asker.answer.cancel()
            raise
        except Exception as error:  # it is the askers', whatever it is
            for asker in askers:
                asker.fail(error)
        else:
            for asker, answer in zip(askers, answers, strict=True):
                asker.succeed(answer)
        finally:
            asyncio.get_running_loop().call_soon(self._start_call)

    async def _answers(self, wanted: Sequence[W]) -> Sequence[A]:
        answers = await self._ask_many(wanted)
        if len(answers) != len(wanted):
            raise RuntimeError(f"{self._service} was asked for {len(wanted)} things, and gave {len(answers)} answers")
        return answers

    def _give_up(self, asker: "_Asker[W, A]") -> None:
        sent = asker.is_asked_for
        asker.fail(CallTimeout("the caller's time is up", service=self._service, nothing_was_sent=not sent))


class _Asker(Generic[W, A]):
    """Someone who waits for an answer, and the context that they asked in."""

    __slots__ = ("answer", "context", "deadline", "is_asked_for", "wanted")

    def __init__(self, wanted: W, answer: "asyncio.Future[A]") -> None:
        self.wanted = wanted
        self.answer = answer
        self.context = contextvars.copy_context()
        self.is_asked_for = False
        request = context.current.get()
        self.deadline = math.inf if request is None or request.deadline is None else request.deadline

    def succeed(self, answer: A) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
