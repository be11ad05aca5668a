"""A real PostgreSQL server for tests, and databases on it."""

import asyncio
import contextlib
import os
import secrets
import signal
import tempfile
from collections.abc import Coroutine, Iterable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from atoll.runner.embedded_postgres.beside import ServerBeside, ServerFailed, server_beside
from atoll.runner.embedded_postgres.passwords import ADMINISTRATOR, url_of
from atoll.runner.embedded_postgres.way_in import host_for

T = TypeVar("T")

GIVEN = "DATABASE_URL_FOR_TESTS"
"""The name in the environment of the URL of a server to use instead, as a role that may create databases."""

SECRET = "a secret of tests"  # noqa: S105 - of a server that lives as long as the tests


class NoPostgres(Exception):
    """There is neither a server nor a way to start one; the message says why."""


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a role on a server that may create databases; raises `NoPostgres`.

    That is the one that `DATABASE_URL_FOR_TESTS` names, or one that is started from the wheel, and ends with the block.
    """
    if given := os.environ.get(GIVEN):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="atoll-postgres-") as folder, started_server(Path(folder)) as server:
        yield server.url


class ServerProcess:
    """The embedded server, as a process of its own."""

    def __init__(self, beside: ServerBeside, folder: Path) -> None:
        self.port = beside.ports["postgres_port"]
        self.url = url_of(ADMINISTRATOR, SECRET, self.port, database="postgres")
        self.socket_url = url_of(ADMINISTRATOR, SECRET, self.port, host=host_for(folder), database="postgres")
        self._folder = folder
        self._process = beside.process

    def kill(self) -> None:
        """End PostgreSQL itself with SIGKILL, and wait until the process around it is gone too."""
        os.kill(int((self._folder / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGKILL)
        self._process.wait(30)


@contextlib.contextmanager
def started_server(folder: Path, *, port: int = 0) -> Iterator[ServerProcess]:
    """A server with its data below `folder`, which may be used again; raises `NoPostgres`."""
    data = folder / "postgres"
    settings = {"POSTGRES_FOLDER": str(data), "POSTGRES_PASSWORD": SECRET, "POSTGRES_PORT": str(port)}
    try:
        with server_beside(settings) as beside:
            yield ServerProcess(beside, data)
    except ServerFailed as reason:
        raise NoPostgres(str(reason)) from reason


@contextlib.contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database on the server, which is dropped in the end."""
    with _database(server_url, f"atoll_test_{secrets.token_hex(8)}") as url:
        yield url


@contextlib.contextmanager
def _database(server_url: str, name: str) -> Iterator[str]:
    on_server(server_url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        on_server(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def databases_for(server_url: str, services: Iterable[str]) -> Iterator[str]:
    """For `atoll up --database`: a URL with `{service}` in it, for which each service has an empty database."""
    with contextlib.ExitStack() as databases:
        prefix = f"atoll_test_{secrets.token_hex(8)}"
        for service in services:
            databases.enter_context(_database(server_url, f"{prefix}_{service}"))
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{prefix}_{{service}}"))


def on_server(url: str, *statements: str) -> None:
    """Run statements, each by itself, aside from whatever loop runs here."""

    async def run() -> None:
        import asyncpg

        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    in_thread(run())


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns or raises, run by a loop of its own in a thread while this one waits."""
    outcome: list[T | BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:  # told to whoever waits
            outcome.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
