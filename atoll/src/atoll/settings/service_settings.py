"""The settings that every service has."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from atoll.calls.settings import CallSettings, sensible
from atoll.observability.logging import LogFormat, LogLevel
from atoll.settings.fields import Setting
from atoll.settings.secret import Secret
from atoll.settings.urls import service_address, without_credentials

Environment = Literal["development", "production"]
Port = Annotated[int, Meta(ge=0, le=65535)]

SECRET_BYTES = 32
"""The least length of a key for HMAC-SHA-256 (RFC 7518, section 3.2)."""

DEVELOPMENT_SECRET = Secret("atoll-development-secret-never-for-production")


def long_enough(secret: Secret) -> None:
    """ValueError for a secret that is too short to sign with."""
    if len(secret.reveal().encode()) < SECRET_BYTES:
        raise ValueError(f"give at least {SECRET_BYTES} random characters")


class ServiceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What every service can be told; each derives its own type with more fields.

    `class OrdersSettings(ServiceSettings, frozen=True, kw_only=True)`: msgspec asks for the words each time.
    """

    environment: Annotated[Environment, Setting("In production every secret must be given.", env="ATOLL_ENV")] = (
        "development"
    )
    version: Annotated[str, Setting("What runs here, as /health and the registry tell it.")] = ""
    host: Annotated[str, Setting("The address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Setting("The port to listen on; 0 takes any free one.")] = 0
    advertise_host: Annotated[
        str | None, Setting("The address where other services reach this one, when it is not HOST.")
    ] = None
    registry_url: Annotated[
        str | None,
        Setting(
            "Where the registry is, its replicas joined by commas; without it, services need addresses.",
            check=service_address,
        ),
    ] = None
    service_secret: Annotated[
        Secret, Setting("What the services of one system share, to know each other by.", check=long_enough)
    ] = DEVELOPMENT_SECRET
    log_format: Annotated[
        LogFormat, Setting("How log lines look; auto is pretty on a terminal and json elsewhere.")
    ] = "auto"
    log_level: Annotated[LogLevel, Setting("The least level that is logged.")] = "info"
    calls: Annotated[
        CallSettings,
        Setting("How other services are called: timeouts, retries, breakers.", section="calls", check=sensible),
    ] = CallSettings()  # frozen
    graceful_timeout: Annotated[
        float, Meta(ge=0, le=3600), Setting("Seconds that requests in hand are given when the service stops.")
    ] = 25.0

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__)
        return without_credentials(f"{type(self).__name__}({', '.join(shown)})")
