"""The broker port on Valkey, or on Redis from 6.2 on: one stream for each topic, with its consumer groups."""

from atoll.events.valkey.broker import ValkeyBroker

__all__ = ["ValkeyBroker"]
