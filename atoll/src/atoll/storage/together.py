"""Many writers, one transaction: whoever comes while it is under way goes with the next one.

    writers ──► one transaction for all who wait ──► each is answered
       ▲                │ refused? then each in one of its own
       └──── whoever comes meanwhile is in the next ◄┘

A group commit shares the fsync; this shares the statements as well: one for twenty rows costs little more than one
for a single row, and on a server it is one round trip.
"""

import asyncio
import contextvars
import math
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from atoll import context
from atoll.storage.database import CommitFailed, Database, DatabaseUnavailable, Transaction, TransactionBody

T = TypeVar("T")
W = TypeVar("W")
R = TypeVar("R")

WriteOne: TypeAlias = Callable[[Transaction, W], Coroutine[Any, Any, R]]
WriteMany: TypeAlias = Callable[[Transaction, Sequence[W]], Coroutine[Any, Any, Sequence[R]]]

AT_ONCE = 64
"""Writers in one transaction: by then what it costs itself is small beside what they cost."""


class Together(Generic[W, R]):
    """Writes what many want, by `many` in one transaction; when that raises, each alone, by `one`.

    Both are bodies of transactions, with all that this asks of them. `many` may raise whatever does not suit it, such
    as a row that is there already: nobody is told, and `one` says to each what is the matter with it. So it is for
    what nearly always goes well. While the database is away, or cannot commit, everybody is told at once.

    Each writer has its own deadline (`atoll.context`). A transaction has the latest of those in it, and its trace.
    """

    def __init__(self, database: Database, *, one: WriteOne[W, R], many: WriteMany[W, R]) -> None:
        self._database = database
        self._one = one
        self._many = many
        self._waiting: deque[_Writer[W, R]] = deque()
        self._working: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Together in {self._database!r}: {len(self._waiting)} waiting>"

    async def write(self, wanted: W) -> R:
        """The result for `wanted`, once it is durable; raises what `one` raises.

        Who is cancelled before it began is not written; afterwards it is there whole, or not at all.
        """
        writer: _Writer[W, R] = _Writer(wanted, asyncio.get_running_loop().create_future(), _deadline())
        self._waiting.append(writer)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await writer.answer

    async def _work(self) -> None:
        try:
            while writers := self._next_writers():
                await self._write(writers)
        finally:
            self._working = None

    def _next_writers(self) -> "list[_Writer[W, R]]":
        writers: list[_Writer[W, R]] = []
        while self._waiting and len(writers) < AT_ONCE:
            writer = self._waiting.popleft()
            if not writer.answer.done():
                writers.append(writer)
        return writers

    async def _write(self, writers: "Sequence[_Writer[W, R]]") -> None:
        try:
            if len(writers) == 1 or not await self._all(writers):
                await asyncio.gather(*(self._alone(writer) for writer in writers))
        except asyncio.CancelledError:
            for writer in (*writers, *self._waiting):
                writer.answer.cancel()
            raise

    async def _all(self, writers: "Sequence[_Writer[W, R]]") -> bool:
        """Whether all of them are answered."""
        wanted = [writer.wanted for writer in writers]
        try:
            latest = max(writers, key=lambda writer: writer.deadline)
            results = await self._transaction(latest, lambda tx: self._many(tx, wanted))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # it is the writers', whatever it is
            if _may_be_one_of_them(error):
                return False
            for writer in writers:
                writer.fail(error)
        else:
            for writer, result in zip(writers, results, strict=True):
                writer.succeed(result)
        return True

    async def _alone(self, writer: "_Writer[W, R]") -> None:
        try:
            result = await self._transaction(writer, lambda tx: self._one(tx, writer.wanted))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # it is the writer's, whatever it is
            writer.fail(error)
        else:
            writer.succeed(result)

    async def _transaction(self, writer: "_Writer[W, R]", body: TransactionBody[T]) -> T:
        """In the context of the writer: that of whoever has begun the work may be of a request that is long over."""
        return await asyncio.create_task(self._database.transaction(body), context=writer.context)


def _deadline() -> float:
    """The monotonic moment at which nobody waits any more."""
    request = context.current.get()
    return math.inf if request is None or request.deadline is None else request.deadline


def _may_be_one_of_them(error: BaseException) -> bool:
    """Whether the others could be written without the one that the error is about."""
    return isinstance(error, Exception) and not isinstance(error, (DatabaseUnavailable, CommitFailed))


@dataclass(slots=True, eq=False)
class _Writer(Generic[W, R]):
    """Someone who wants something written."""

    wanted: W
    answer: "asyncio.Future[R]"
    deadline: float
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def succeed(self, result: R) -> None:
        if not self.answer.done():
            self.answer.set_result(result)

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
