"""From the address of a broker to the adapter that speaks to it."""

from typing import TYPE_CHECKING

from atoll.clock import Clock
from atoll.events.broker import Broker
from atoll.events.missing import MissingBroker
from atoll.events.settings import EventSettings

if TYPE_CHECKING:
    from atoll.events.valkey import ValkeyBroker


def open_broker(url: str, *, clock: Clock | None = None) -> "ValkeyBroker":
    """The broker at `url`, to be entered before use; nothing is opened yet.

    `valkey://host:port`, `valkeys://…` with TLS, `redis://…`, `rediss://…`, or `unix:///path`. ValueError says what is
    wrong with any other URL. (A broker within the process has no address: share one `MemoryBroker`.)
    """
    try:
        from atoll.events.valkey import ValkeyBroker
    except ModuleNotFoundError as error:
        raise ValueError("A broker needs redis-py; install it with: pip install 'atoll[valkey]'.") from error
    return ValkeyBroker(url, clock=clock)


def broker_of(settings: EventSettings, *, clock: Clock | None = None) -> Broker:
    """The broker that the settings name, or one that says what is missing: then events wait in the outbox."""
    return MissingBroker() if settings.broker_url is None else open_broker(settings.broker_url, clock=clock)
