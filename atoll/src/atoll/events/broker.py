"""The port to a broker: what carries events from the service where they happen to those that act on them.

A broker is only ever a carrier. What is sent stays in the sender's outbox for a week, and what is received is noted
in the receiver's inbox together with its effect. So a broker may deliver twice, late, out of order, or lose all that it
has: that delays, and loses nothing, as long as it says so with its `Mark`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self


class BrokerUnavailable(Exception):
    """The broker cannot be reached, is full, or refuses; worth another try later. The message says which."""


class Message(NamedTuple):
    """What is sent: bytes, on a topic. A topic is the type of an event, such as `order.created`."""

    topic: str
    body: bytes


class Delivery(NamedTuple):
    """What has arrived. `id` tells it apart within its topic; `deliveries` says how often it was handed out so far."""

    topic: str
    id: str
    body: bytes
    deliveries: int


@dataclass(frozen=True, slots=True)
class Mark:
    """By which a sender knows whether a broker still has what it was given.

    `epoch` is new when the broker has lost everything: all must be sent again. `run` is new when its process is:
    the last second may be lost, if the broker is one that writes to its disk each second.
    """

    epoch: str
    run: str


class Subscription(Protocol):
    """The part that one consumer takes in the work of a group. For one task at a time, or several: each message
    is handed to one of them."""

    async def read(self, at_most: int, *, wait: float) -> list[Delivery]:
        """The next messages, at most so many; empty when none came within `wait` seconds.

        First those that this consumer was given before and never acknowledged (its process died, or a `read` was
        cancelled), then those that another consumer was given longer than `stale_after` ago, then new ones. Order
        is kept within a topic, except for what is handed out again. Raises `BrokerUnavailable`, and may be called
        again at once: it does not wait by itself. Topics and groups that the broker has lost are made anew.
        """

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """They are dealt with, for good. When this raises `BrokerUnavailable`, some will be read again."""

    async def release(self) -> None:
        """Give back what was read and not acknowledged: others may read it at once. May be called again."""


class Broker(Protocol):
    """Enter it as an async context manager before use. Any number of tasks of one event loop may use it at once."""

    async def publish(self, messages: Sequence[Message]) -> Mark:
        """Send the messages, in order; returns once they are as durable as they get here.

        The mark is of after that: when it is the one known from before, the broker has them. When this raises
        `BrokerUnavailable` or is cancelled, none, some or all were sent. May wait until they have been dealt with.
        """

    async def mark(self) -> Mark:
        """The broker's present mark. Raises `BrokerUnavailable`."""

    def subscribe(
        self, group: str, topics: Collection[str], *, consumer: str, stale_after: float = 30.0
    ) -> Subscription:
        """Take part in a group: each message of the topics goes to one consumer of each group.

        A new group starts with the oldest message that the broker still has. `consumer` is this process among
        those of the group; one that has the same name after a restart finds at once what it left behind, others
        after `stale_after` seconds. Neither blocks nor talks to the broker.
        """

    async def backlog(self, group: str, topics: Collection[str]) -> Mapping[str, int]:
        """For each topic, how many messages the group has not acknowledged yet. Raises `BrokerUnavailable`."""

    async def check(self) -> None:
        """Return when the broker answers; raise `BrokerUnavailable` when not. For readiness."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
