"""Events that are never lost: said in the same transaction as what they tell of, acted on once.

envelope.py       an event, and what its type promises         contracts.py   only additions; a break is explained
outbox.py         adding events to a transaction               relay.py       sending them
handlers.py       who acts on what                             subscriber.py  reading them
inbox.py          effect and note in one transaction           failures.py    trying again, and giving up
dead_letters.py   what was given up                            forgetting.py  what is old
broker.py         the port; memory.py, valkey/, missing.py     additions.py  looking on, from outside
service_events.py  all joined, for a service ← start here
"""

from atoll.events.broker import Broker, BrokerUnavailable, Delivery, Mark, Message, Subscription
from atoll.events.dead_letters import DeadLetter, DeadLetters
from atoll.events.envelope import Event, EventSource, EventType, EventUnreadable
from atoll.events.failures import RedeliveryPolicy
from atoll.events.handlers import Line, On, OnMany
from atoll.events.memory import MemoryBroker
from atoll.events.opening import broker_of, open_broker
from atoll.events.outbox import Outbox
from atoll.events.service_events import ServiceEvents
from atoll.events.settings import EventSettings, consumer_name

__all__ = [
    "Broker",
    "BrokerUnavailable",
    "DeadLetter",
    "DeadLetters",
    "Delivery",
    "Event",
    "EventSettings",
    "EventSource",
    "EventType",
    "EventUnreadable",
    "Line",
    "Mark",
    "MemoryBroker",
    "Message",
    "On",
    "OnMany",
    "Outbox",
    "RedeliveryPolicy",
    "ServiceEvents",
    "Subscription",
    "broker_of",
    "consumer_name",
    "open_broker",
]
