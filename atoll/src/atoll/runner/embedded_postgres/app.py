"""The embedded server as a service: its way in is PostgreSQL's own, beside the one that tells how it is."""

from atoll.clock import Clock, SystemClock
from atoll.lifecycle import Address, Program, UvicornListener
from atoll.runner.embedded_postgres.databases import provide
from atoll.runner.embedded_postgres.server import PostgresServer
from atoll.runner.embedded_postgres.settings import EmbeddedPostgresSettings
from atoll.runner.embedded_postgres.way_in import HOST
from atoll.service import Service

NAME = "postgres"


class ServerEnded(Exception):
    """The server has ended although nobody asked for that."""


def create_app(settings: EmbeddedPostgresSettings, *, clock: Clock | None = None) -> Program:
    """The service, and its two ways in."""
    secret = settings.postgres_password.reveal()
    server = PostgresServer(settings.postgres_folder, host=HOST, port=settings.postgres_port, secret=secret)
    listener = PostgresListener(server, settings.databases, secret)
    service = Service(
        NAME,
        [],
        jobs={"watching the server": listener.watch},
        version=settings.version,
        clock=clock or SystemClock(),
    )
    return Program(
        service,
        {"postgres_port": listener, "port": UvicornListener(service.app, settings.host, settings.port)},
    )


class PostgresListener:
    """The server as a way into the process."""

    def __init__(self, server: PostgresServer, databases: tuple[str, ...], secret: str) -> None:
        self._server = server
        self._databases = databases
        self._secret = secret
        self._is_stopping = False

    async def start(self) -> Address:
        await self._server.start()
        await provide(self._server.administrator_url, self._databases, self._secret)
        return Address(HOST, self._server.port)

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
