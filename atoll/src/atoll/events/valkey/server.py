"""Commands to the server, and what may go wrong with them, in the words of the port."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import RedisError, ResponseError

from atoll.events.broker import BrokerUnavailable

CONNECT_TIMEOUT = 2.0
ANSWER_TIMEOUT = 5.0
"""Seconds for the answer to a command; waiting for messages is shorter (`LONGEST_WAIT`)."""

LONGEST_WAIT = 3.0
MAX_CONNECTIONS = 32

Command: TypeAlias = tuple[str | bytes | int | float, ...]

_SCHEMES = {"valkey": "redis", "valkeys": "rediss", "redis": "redis", "rediss": "rediss", "unix": "unix"}


class CommandRefused(BrokerUnavailable):
    """The server answered with an error: a group that is missing, a full disk, a password that is wrong."""


class Server:
    """The server at `url`. It connects when it is first used, and repeats nothing by itself."""

    def __init__(self, url: str) -> None:
        self._options = _connection_options(url)
        self._client: Redis | None = None

    def __repr__(self) -> str:
        return str(self._options.get("path") or f"{self._options['host']}:{self._options.get('port', 6379)}")

    def open(self) -> None:
        if self._client is not None:
            raise RuntimeError(f"The broker at {self!r} is open already.")
        self._client = _client(self._options)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose(close_connection_pool=True)

    async def run(self, *command: str | bytes | int | float) -> Any:
        """The answer as it comes: bytes, numbers, None, and lists of them."""
        with self._translating():
            return await self._opened().execute_command(*command)  # type: ignore[no-untyped-call]

    async def run_all(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands that are sent together; others' may come between. Raises the first error."""
        with self._translating():
            pipeline = self._opened().pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute()

    def _opened(self) -> Redis:
        if self._client is None:
            raise BrokerUnavailable(f"The broker at {self!r} cannot be used: enter it first, and not after leaving.")
        return self._client

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Whatever goes wrong may pass: full, loading, read-only, refusing, away."""
        try:
            with _keeping_cancellation():
                yield
        except ResponseError as error:
            raise CommandRefused(str(error)) from error
        except (RedisError, OSError) as error:
            raise BrokerUnavailable(f"The broker at {self!r}: {str(error) or type(error).__name__}") from error


@contextmanager
def _keeping_cancellation() -> Iterator[None]:
    """`asyncio.wait_for`, which redis-py uses, loses a cancellation that comes together with the answer.

    In Python 3.11, that is: https://github.com/python/cpython/issues/86296.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


def _connection_options(url: str) -> dict[str, Any]:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError(
            "The address of a broker is valkey://host:port, valkeys://host:port with TLS, or unix:///path."
        )
    options = dict(parse_url(f"{_SCHEMES[scheme]}://{rest}"))
    if scheme == "unix" and "path" not in options:
        raise ValueError("unix:// needs the path of a socket: write unix:///run/valkey.sock.")
    if scheme != "unix":
        options.setdefault("host", "127.0.0.1")
    return options


class _PackingInC:
    """Commands are packed by hiredis: redis-py itself does so only where nothing is awaited."""

    _packer = HiredisRespSerializer()

    def pack_command(self, *command: str | bytes | int | float) -> list[bytes]:
        return self._packer.pack(*command)  # type: ignore[no-any-return, arg-type]  # its stub says one list


def _client(options: Mapping[str, Any]) -> Redis:
    """redis-py without what it does by itself: repeating, raising when the pool is empty, converting answers."""
    settings = {
        "max_connections": MAX_CONNECTIONS,
        "timeout": ANSWER_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": ANSWER_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        **options,
    }
    kind = settings.get("connection_class", Connection)
    settings["connection_class"] = type(kind.__name__, (_PackingInC, kind), {})
    client = Redis(connection_pool=BlockingConnectionPool(**settings))
    client.response_callbacks.clear()
    return client
