"""How far behind the events of a system are: what is not sent, not acted on, or given up."""

from collections.abc import Sequence

import msgspec

from atoll.clock import Clock
from atoll.events import inbox_table, outbox_table
from atoll.events.broker import BrokerUnavailable
from atoll.events.opening import open_broker
from atoll.runner.system_events import SystemEvents
from atoll.storage import DatabaseError, open_read_only


class ServiceLag(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one service has in its database.

    `outbox` events wait to be sent, the oldest for `oldest_seconds`; `set_aside` ones have failed and are tried again;
    `dead` ones have been given up. `unknown` says why none of this is known, or is empty.
    """

    name: str
    outbox: int = 0
    oldest_seconds: float = 0.0
    set_aside: int = 0
    dead: int = 0
    unknown: str = ""

    @property
    def is_zero(self) -> bool:
        return not (self.outbox or self.set_aside or self.dead or self.unknown)


class SubscriptionLag(msgspec.Struct, frozen=True, kw_only=True):
    """What a service has not dealt with at the broker: `undelivered` events, and `pending` ones that it was given."""

    service: str
    type: str
    undelivered: int
    pending: int

    @property
    def is_zero(self) -> bool:
        return not (self.undelivered or self.pending)


class Lag(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The lag of a whole system; `broker_unknown` says why nothing is known of subscriptions, or is empty."""

    services: Sequence[ServiceLag]
    subscriptions: Sequence[SubscriptionLag]
    broker_unknown: str = ""

    @property
    def is_zero(self) -> bool:
        """Whether everything is known to be dealt with."""
        is_sent = all(service.is_zero for service in self.services)
        is_read = all(subscription.is_zero for subscription in self.subscriptions)
        return is_sent and is_read and not self.broker_unknown


async def lag_of(events: SystemEvents, clock: Clock) -> Lag:
    """The lag now. Neither raises nor changes anything when a part cannot be asked."""
    services = [await _of_service(name, url, clock) for name, url in events.databases.items()]
    if events.broker_url is None:
        return Lag(services=services, subscriptions=(), broker_unknown=events.no_broker)
    try:
        return Lag(services=services, subscriptions=await _at_broker(events.broker_url))
    except (BrokerUnavailable, ValueError) as error:
        return Lag(services=services, subscriptions=(), broker_unknown=str(error))


async def _of_service(name: str, url: str, clock: Clock) -> ServiceLag:
    try:
        async with open_read_only(url) as database:
            outbox = await database.read(outbox_table.backlog)
            set_aside, dead = await database.read(inbox_table.counts)
    except DatabaseError as error:
        return ServiceLag(name=name, unknown=str(error))
    seconds = round(outbox.seconds(clock.now()), 3)
    return ServiceLag(name=name, outbox=outbox.count, oldest_seconds=seconds, set_aside=set_aside, dead=dead)


async def _at_broker(url: str) -> list[SubscriptionLag]:
    async with open_broker(url) as broker:
        return [
            SubscriptionLag(service=group, type=topic, undelivered=undelivered, pending=pending)
            for group, topic, undelivered, pending in await broker.survey()
        ]
