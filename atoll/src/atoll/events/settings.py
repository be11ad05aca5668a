"""What a service with events can be told."""

from socket import gethostname
from typing import Annotated

from atoll.ids import uuid7
from atoll.settings import ServiceSettings, Setting


def broker_address(url: str) -> None:
    """The address of a Valkey or Redis server; ValueError tells what else it is."""
    from atoll.events.opening import open_broker

    open_broker(url)


class EventSettings(ServiceSettings, frozen=True, kw_only=True):
    """The settings of every service, and where its events go. Derive from it what a service needs beside."""

    broker_url: Annotated[
        str | None,
        Setting(
            "The Valkey or Redis server that carries events: valkey://host:port, valkeys:// with TLS, or unix:///path.",
            env="VALKEY_URL",
            aliases=("REDIS_URL",),
            check=broker_address,
        ),
    ] = None
    consumer: Annotated[
        str | None,
        Setting(
            "The name of this process among the replicas of its service; keep it over a restart. Made if not given."
        ),
    ] = None


def consumer_name(settings: EventSettings) -> str:
    """The name of this process among the consumers of its service: as given, or else from its machine and port.

    Where any free port will do, the name is a new one each time. What a process had in hand when it died is then taken
    over half a minute later.
    """
    return settings.consumer or f"{gethostname()}:{settings.port or uuid7()()}"
