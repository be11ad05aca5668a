"""The broker of a service that was told of none."""

from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import NoReturn, Self

from atoll.events.broker import BrokerUnavailable, Delivery, Mark, Message, Subscription

SENTENCE = (
    "No broker is known, so events wait: give the address of a Valkey or Redis server in VALKEY_URL, "
    "or start the system with `atoll up`, which brings one"
)


class MissingBroker:
    """Always unavailable, and says why: the service works, its events wait in the outbox for a start with a broker."""

    def __repr__(self) -> str:
        return "<MissingBroker>"

    async def publish(self, messages: Sequence[Message]) -> Mark:
        _refuse()

    async def mark(self) -> Mark:
        _refuse()

    def subscribe(
        self,
        group: str,
        topics: Collection[str],
        *,
        consumer: str,
        stale_after: float = 30.0,
    ) -> Subscription:
        return _MissingSubscription()

    async def backlog(self, group: str, topics: Collection[str]) -> Mapping[str, int]:
        _refuse()

    async def check(self) -> None:
        _refuse()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """There is nothing to close."""


class _MissingSubscription:
    async def read(self, at_most: int, *, wait: float) -> list[Delivery]:
        _refuse()

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        _refuse()

    async def release(self) -> None:
        """Nothing was given."""


def _refuse() -> NoReturn:
    raise BrokerUnavailable(SENTENCE)
