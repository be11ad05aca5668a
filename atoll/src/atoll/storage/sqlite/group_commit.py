"""Many callers, one transaction, one fsync.

    callers wait ──► begin ──► each body under its savepoint ──► COMMIT in a thread ──► everyone is answered
         ▲                          (on the loop)                    (fsync)                  │
         └──────────── whoever arrives meanwhile is in the next group ◄───────────────────────┘

An fsync costs a fraction of a millisecond, however much it makes durable; so the more callers there are, the
less each pays. Answers, refusals included, wait for the commit, because a body may have seen what an earlier one
of its group did.
"""

import asyncio
import contextvars
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import apsw

from atoll.storage.database import CommitFailed, DatabaseError, DatabaseUnavailable, T, TransactionBody
from atoll.storage.sqlite.bodies import Bodies, SqliteTransaction
from atoll.storage.sqlite.commit_thread import CommitThread
from atoll.storage.sqlite.errors import translated
from atoll.storage.sqlite.writing import WritingConnection

LARGEST_GROUP = 512  # callers in one commit
LONGEST_GROUP = 0.010  # seconds of bodies on the event loop, before it has its turn again


@dataclass(slots=True, eq=False)
class Caller:
    """Someone who waits for a transaction, and what will be answered once it is durable."""

    body: TransactionBody[Any]
    answer: "asyncio.Future[Any]"
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        """Answer, unless the caller has gone."""
        if self.answer.done():
            return
        if self.error is None:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(self.error)


class GroupCommit:
    """Runs bodies in the order of their arrival, on the event loop that first uses it."""

    def __init__(self, connection: WritingConnection, bodies: Bodies) -> None:
        self._connection = connection
        self._bodies = bodies
        self._waiting: deque[Caller] = deque()
        self._group: list[Caller] = []
        self._thread = CommitThread(asyncio.get_running_loop())
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()

    def __repr__(self) -> str:
        return f"GroupCommit(waiting={len(self._waiting)}, in_group={len(self._group)})"

    async def transaction(self, body: TransactionBody[T]) -> T:
        """What `body` returns or raises, once everything that it can have seen is durable."""
        caller = Caller(body, self._loop.create_future())
        self._waiting.append(caller)
        if self._idle.is_set():
            self._idle.clear()
            self._loop.call_soon(self._start_group)
        result: T = await caller.answer
        return result

    async def close(self) -> None:
        """Finish what is in hand, then close the connection."""
        try:
            await self._idle.wait()
        finally:
            await asyncio.shield(asyncio.to_thread(self._close_now))

    def _close_now(self) -> None:
        self._thread.stop()
        self._connection.close()

    def _start_group(self) -> None:
        while self._waiting and self._waiting[0].answer.cancelled():
            self._waiting.popleft()
        if not self._waiting:
            self._idle.set()
            return
        try:
            begun = self._connection.begin_at_once()
        except apsw.Error as error:
            self._begun(error)
            return
        if begun:
            self._run_group()
        else:
            self._thread.submit(self._connection.begin_patiently, self._begun)

    def _begun(self, error: Exception | None) -> None:
        if error is None:
            self._run_group()
            return
        self._group = [self._waiting.popleft() for _ in range(min(LARGEST_GROUP, len(self._waiting)))]
        self._answer_all(error)

    def _run_group(self) -> None:
        ends_at = time.perf_counter() + LONGEST_GROUP
        try:
            while self._waiting and len(self._group) < LARGEST_GROUP:
                self._run_body(self._waiting.popleft())
                if time.perf_counter() >= ends_at:
                    break
        except Exception as error:  # everyone in the group is told
            self._connection.roll_back()
            self._answer_all(error)
        else:
            self._thread.submit(self._commit, self._answer_all)

    def _run_body(self, caller: Caller) -> None:
        """Run one body under its savepoint, and note its outcome. Raises when the whole transaction is lost."""
        if caller.answer.cancelled():
            return
        self._group.append(caller)
        self._connection.start_body()
        session = SqliteTransaction(self._connection.cursor)
        try:
            caller.result = caller.context.run(self._bodies.run, caller.body, session)
            self._connection.keep_body()
        except BaseException as error:  # it is the caller's, whatever it is
            caller.error = translated(error) if isinstance(error, apsw.Error) else error
            self._undo_body(session)

    def _undo_body(self, session: SqliteTransaction) -> None:
        """Raises when there is nothing to undo: a full or failing disk makes SQLite end the whole transaction."""
        if not self._connection.in_transaction:
            raise session.failure or CommitFailed("the transaction ended early")
        self._connection.undo_body()

    def _commit(self) -> None:
        try:
            self._connection.commit()
        except apsw.Error:
            self._connection.roll_back()
            raise

    def _answer_all(self, error: Exception | None) -> None:
        """Answer the group, then start the next one: after those answered now have had a turn to join it."""
        group, self._group = self._group, []
        for caller in group:
            if error is not None:
                caller.error = _lost(error)
            caller.tell()
            caller.error = None  # else its traceback holds this frame, in a circle
        self._loop.call_soon(self._start_group)


def _lost(error: Exception) -> DatabaseError:
    """What a caller hears when the transaction that its body ran in is lost: an error of its own for each."""
    meaning = error if isinstance(error, DatabaseError) else translated(error)
    kind = DatabaseUnavailable if isinstance(meaning, DatabaseUnavailable) else CommitFailed
    lost = kind(f"Nothing was changed: {error}")
    lost.__cause__ = error
    return lost
