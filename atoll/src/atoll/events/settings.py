"""What a service with events can be told."""

from typing import Annotated

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
