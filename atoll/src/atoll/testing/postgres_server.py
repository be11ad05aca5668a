"""A real PostgreSQL server for tests, and databases on it."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from atoll.lifecycle.supervisor_line import SUPERVISOR_FD

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

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, port: int) -> None:
        from atoll.runner.embedded_postgres.passwords import ADMINISTRATOR, url_of

        self.port = port
        self.folder = folder
        self.url = url_of(ADMINISTRATOR, SECRET, port, database="postgres")
        self._process = process

    def kill(self) -> None:
        """End PostgreSQL itself with SIGKILL, and wait until the process around it is gone too."""
        os.kill(int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGKILL)
        self._process.wait(30)


@contextlib.contextmanager
def started_server(folder: Path, *, port: int = 0) -> Iterator[ServerProcess]:
    """A server with its data below `folder`, which may be used again; raises `NoPostgres`."""
    ours, theirs = socket.socketpair()
    environment = {
        **os.environ,
        SUPERVISOR_FD: str(theirs.fileno()),
        "POSTGRES_FOLDER": str(folder / "postgres"),
        "POSTGRES_PASSWORD": SECRET,
        "POSTGRES_PORT": str(port),
        "PORT": "0",
    }
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "atoll.runner.embedded_postgres"],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        with process:
            try:
                told = json.loads(ours.makefile().readline() or "{}")
                if "ready" not in told:
                    raise NoPostgres(told.get("failed") or (process.stderr and process.stderr.read().decode()))
                yield ServerProcess(process, folder / "postgres", told["ready"]["postgres_port"])
            finally:
                process.terminate()


@contextlib.contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database on the server, which is dropped in the end."""
    name = f"atoll_test_{secrets.token_hex(8)}"
    on_server(server_url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        on_server(server_url, f"DROP DATABASE {name} WITH (FORCE)")


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
