"""The embedded server as a service: it has a socket of its own, beside the port that tells how it is."""

from atoll.clock import Clock, SystemClock
from atoll.runner.embedded_valkey.server import ValkeyServer
from atoll.runner.embedded_valkey.settings import EmbeddedValkeySettings
from atoll.service import Service

NAME = "valkey"


class ServerEnded(Exception):
    """The server has ended although nobody asked for that."""


def create_app(settings: EmbeddedValkeySettings, *, clock: Clock | None = None) -> Service:
    """The service; the server runs as long as it does."""
    server = ValkeyServer(settings.valkey_folder, settings.valkey_socket)

    async def watch() -> None:
        await server.ended()
        raise ServerEnded(f"{server!r} has ended by itself.")

    return Service(
        NAME,
        resources=[server],
        jobs={"watching the server": watch},
        version=settings.version,
        clock=clock or SystemClock(),
    )
