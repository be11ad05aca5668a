"""Crashes at named points, by wrapping what a service talks to: its database and its broker.

    crashes = Crashes("after publish")
    ServiceEvents(outbox, CrashingDatabase(database, crashes), CrashingBroker(broker, crashes), …)

At that point the service stops as a killed process would: nothing it still tries reaches anybody.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from atoll.events.broker import Broker, BrokerUnavailable, Delivery, Mark, Message, Subscription
from atoll.storage import Database, DatabaseUnavailable, Transaction
from atoll.storage.database import ReadBody, TransactionBody
from atoll.storage.wrapping import WrappingDatabase

T = TypeVar("T")

POINTS = (
    "before transaction",
    "before commit",
    "after commit",
    "before publish",
    "half published",
    "after publish",
    "after read",
    "before acknowledge",
    "after acknowledge",
)


class Crashed(BaseException):
    """The process is no more."""


class Crashes:
    """Crashes once, when `point` is passed for the time with the number `at`, from 1."""

    def __init__(self, point: str, at: int = 1) -> None:
        if point not in POINTS:
            raise ValueError(f"There is no point {point!r}; there are {', '.join(POINTS)}.")
        self._point = point
        self._left = at
        self.crashed = asyncio.Event()

    def __repr__(self) -> str:
        return f"Crashes({self._point!r}, {'crashed' if self.crashed.is_set() else f'{self._left} to go'})"

    def at(self, point: str) -> None:
        """The service passes this point."""
        if self.crashed.is_set():
            raise Crashed(self._point)
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                self.crashed.set()
                raise Crashed(point)


class CrashingBroker:
    """`broker`, as a process sees it that may crash."""

    def __init__(self, broker: Broker, crashes: Crashes) -> None:
        self._broker = broker
        self._crashes = crashes

    async def publish(self, messages: Sequence[Message]) -> Mark:
        self._crashes.at("before publish")
        half = len(messages) // 2
        await self._broker.publish(messages[:half])
        self._crashes.at("half published")
        mark = await self._broker.publish(messages[half:])
        self._crashes.at("after publish")
        return mark

    async def mark(self) -> Mark:
        return await self._broker.mark()

    def subscribe(
        self, group: str, topics: Collection[str], *, consumer: str, stale_after: float = 30.0
    ) -> Subscription:
        subscription = self._broker.subscribe(group, topics, consumer=consumer, stale_after=stale_after)
        return _CrashingSubscription(subscription, self._crashes)

    async def backlog(self, group: str, topics: Collection[str]) -> Mapping[str, int]:
        return await self._broker.backlog(group, topics)

    async def check(self) -> None:
        await self._broker.check()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The broker outlives us."""


class _CrashingSubscription:
    def __init__(self, subscription: Subscription, crashes: Crashes) -> None:
        self._subscription = subscription
        self._crashes = crashes

    async def read(self, at_most: int, *, wait: float) -> list[Delivery]:
        deliveries = await self._subscription.read(at_most, wait=wait)
        if deliveries:
            self._crashes.at("after read")
        return deliveries

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        self._crashes.at("before acknowledge")
        await self._subscription.acknowledge(deliveries)
        self._crashes.at("after acknowledge")

    async def release(self) -> None:
        if self._crashes.crashed.is_set():
            raise BrokerUnavailable("a dead process gives nothing back")
        await self._subscription.release()


class CrashingDatabase(WrappingDatabase):
    """`database`, as a process sees it that may crash."""

    def __init__(self, database: Database, crashes: Crashes) -> None:
        super().__init__(database)
        self._crashes = crashes

    async def transaction(self, body: TransactionBody[T]) -> T:
        self._refuse_the_dead()
        self._crashes.at("before transaction")
        result = await self.wrapped.transaction(lambda tx: self._watched(body, tx))
        self._crashes.at("after commit")
        return result

    async def read(self, body: ReadBody[T]) -> T:
        self._refuse_the_dead()
        return await self.wrapped.read(body)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The database outlives us."""

    async def _watched(self, body: TransactionBody[T], tx: Transaction) -> T:
        result = await body(tx)
        self._crashes.at("before commit")
        return result

    def _refuse_the_dead(self) -> None:
        if self._crashes.crashed.is_set():
            raise DatabaseUnavailable("a dead process reaches nothing")
