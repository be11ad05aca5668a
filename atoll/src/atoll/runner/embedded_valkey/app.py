"""The embedded server as a service: its way in is Valkey's own, beside the one that tells how it is."""

from pathlib import Path

from atoll.clock import Clock, SystemClock
from atoll.lifecycle import Address, Program, UvicornListener, listening_socket
from atoll.runner.embedded_valkey.server import ValkeyServer
from atoll.runner.embedded_valkey.settings import EmbeddedValkeySettings
from atoll.service import Service

NAME = "valkey"
HOST = "127.0.0.1"
"""Never another address: for others there are real servers."""


class ServerEnded(Exception):
    """The server has ended although nobody asked for that."""


def create_app(settings: EmbeddedValkeySettings, *, clock: Clock | None = None) -> Program:
    """The service, and its two ways in."""
    listener = ValkeyListener(Path(settings.valkey_folder), settings.valkey_port, settings.valkey_password.reveal())
    service = Service(
        NAME,
        [],
        jobs={"watching the server": listener.watch},
        version=settings.version,
        clock=clock or SystemClock(),
    )
    return Program(
        service,
        {"valkey_port": listener, "port": UvicornListener(service.app, settings.host, settings.port)},
    )


class ValkeyListener:
    """The server as a way into the process."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        self._port = port or _free_port()
        self._server = ValkeyServer(folder, port=self._port, password=password)
        self._is_stopping = False

    async def start(self) -> Address:
        await self._server.start()
        return Address(HOST, self._port)

    async def watch(self) -> None:
        """Raise `ServerEnded` when it has."""
        await self._server.ended()
        if not self._is_stopping:
            raise ServerEnded(f"{self._server!r} has ended by itself.")

    async def stop_accepting(self) -> None:
        """Those who are connected go on: only the end of the process ends them."""

    async def drain(self, timeout: float) -> None:
        self._is_stopping = True
        await self._server.stop()


def _free_port() -> int:
    with listening_socket(HOST, 0) as bound:
        port: int = bound.getsockname()[1]
        return port
