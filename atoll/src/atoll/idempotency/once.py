"""Work that is done once for a key: the first time it is done, and then its answer is repeated.

    answered before? ─ yes ──────────────────────────► the same answer
         │ no
    one transaction {claim the key, the work's own changes, the answer} ──► answer
         │ claimed by another one meanwhile ──────────► the same answer

A refusal undoes the claim with everything else, so it is not remembered. Of several at once one works and the others
wait: for each other within a process, for the claim between processes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from atoll.clock import Clock
from atoll.endpoints import Reply
from atoll.idempotency import kept_answers
from atoll.idempotency.kept_answers import KeptAnswer
from atoll.idempotency.keyed_request import Asked, KeyedRequest
from atoll.storage import Database, Transaction
from atoll.storage.database import TransactionBody

T = TypeVar("T")
R = TypeVar("R")


class Once(Protocol):
    """Makes the body of a transaction take effect once for a key; what it raises must reach the handler."""

    def __call__(self, body: TransactionBody[T], /) -> TransactionBody[T]: ...


def every_time(body: TransactionBody[T], /) -> TransactionBody[T]:
    """`Once` for requests without a key."""
    return body


class OncePerKey:
    """Has requests with an Idempotency-Key take effect once, in the database of the service.

    A `secret`, which is not in that database, keeps the fingerprints of what was asked for from being guessed.
    """

    def __init__(self, database: Database, clock: Clock, *, secret: bytes | None = None) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret
        self._turns = _Turns()

    async def __call__(
        self, asked: Asked, work: Callable[[Once], Awaitable[T]], answered: Callable[[T], Reply[R]]
    ) -> Reply[R]:
        """The answer that `answered` makes of what `work` returns, or the one that was given before.

        `work` runs one transaction with effects, whose body it passes through the `Once` that it is given, and whose
        result it returns. Raises `InvalidFields` for what is no key, `KeyUsedDifferently`, and what `work` raises.
        """
        request = asked.keyed(self._clock.now(), self._secret)
        if request is None:
            return answered(await work(every_time))
        async with self._turns.of(request.name):
            kept = await self._database.read(lambda reading: kept_answers.find(reading, request))
            if kept is not None:
                return kept.reply()
            try:
                return answered(await work(_OnceFor(request, answered)))
            except _AnsweredBefore as before:
                return before.answer.reply()

    def __repr__(self) -> str:
        return f"<OncePerKey: {self._turns!r}>"


class _AnsweredBefore(Exception):
    """Another transaction with the key came first; this one has done nothing."""

    def __init__(self, answer: KeptAnswer) -> None:
        super().__init__("answered before")
        self.answer = answer


class _OnceFor:
    """`Once` for one request; keeps the answer that the body's result will be given."""

    def __init__(self, request: KeyedRequest, answered: Callable[[Any], Reply[Any]]) -> None:
        self._request = request
        self._answered = answered

    def __call__(self, body: TransactionBody[T], /) -> TransactionBody[T]:
        request = self._request

        async def once(tx: Transaction) -> T:
            if not await kept_answers.claim(tx, request):
                raise await _answer_of_the_first(tx, request)
            result = await body(tx)
            await kept_answers.fill(tx, request, KeptAnswer.of(self._answered(result)))
            return result

        return once


async def _answer_of_the_first(tx: Transaction, request: KeyedRequest) -> _AnsweredBefore:
    kept = await kept_answers.find(tx, request)
    if kept is None:
        raise RuntimeError(f"{request} is answered, and is not")
    return _AnsweredBefore(kept)


class _Turns:
    """Lets those of the same name go one after the other, in the order of their arrival."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = WeakValueDictionary()

    def of(self, name: tuple[str, ...]) -> asyncio.Lock:
        """The lock that exists for as long as anyone has it, or waits for it."""
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock

    def __repr__(self) -> str:
        return f"{len(self._locks)} keys in hand"
