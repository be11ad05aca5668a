"""A service that was told of no broker works, and says what is missing."""

import pytest
from prometheus_client import CollectorRegistry

from atoll.events import BrokerUnavailable, EventSettings, Message, Outbox, broker_of
from atoll.events.metrics import EventMetrics
from atoll.events.missing import MissingBroker
from atoll.events.relay import OutboxRelay
from atoll.events.valkey import ValkeyBroker
from atoll.storage import Database
from atoll.testing.event_services import PLACED, Placed


def test_the_settings_name_the_broker() -> None:
    assert isinstance(broker_of(EventSettings(broker_url="valkey://localhost:1")), ValkeyBroker)
    assert isinstance(broker_of(EventSettings()), MissingBroker)


async def test_it_is_always_unavailable_and_says_why() -> None:
    async with MissingBroker() as broker:
        subscription = broker.subscribe("orders", ["order.placed"], consumer="orders-1")
        asked = (
            broker.publish([Message("order.placed", b"{}")]),
            broker.mark(),
            broker.check(),
            broker.backlog("orders", ["order.placed"]),
            subscription.read(1, wait=0),
            subscription.acknowledge([]),
        )
        await subscription.release()

        for each in asked:
            with pytest.raises(BrokerUnavailable, match="VALKEY_URL"):
                await each


async def test_what_is_said_waits_in_the_outbox(orders_database: Database) -> None:
    outbox = Outbox("orders")
    await orders_database.transaction(
        lambda tx: outbox.announce(tx, PLACED, subject="o1", sequence=1, data=Placed(order_id="o1"))
    )
    relay = OutboxRelay(outbox, orders_database, MissingBroker(), EventMetrics(CollectorRegistry()))
    with pytest.raises(BrokerUnavailable):
        await relay.turn()

    assert [(None,)] == await orders_database.fetch_all("SELECT published_at FROM outbox")
