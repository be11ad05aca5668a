"""Whoever is refused while still sending can read why, and cannot hold the connection for ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from atoll.endpoints import Request, Route
from atoll.lifecycle import UvicornListener
from atoll.lifecycle.lingering import Lingering
from atoll.service import Service
from atoll.testing.raw_http import connected
from atoll.testing.service_process import ServiceProcess

HEAD = b"POST /read HTTP/1.1\r\nHost: test\r\n"
TOO_MUCH = 16 * 1024 * 1024
"""Bytes: more than the limit of a body and all buffers on the way."""

LARGE = HEAD + b"Content-Length: %d\r\n\r\n" % TOO_MUCH + bytes(TOO_MUCH)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (TOO_MUCH, bytes(TOO_MUCH))
NOT_HTTP = b"what is this?\r\n\r\n" + bytes(TOO_MUCH)


async def read(request: Request) -> None:
    await request.body()


@pytest.fixture
async def here() -> AsyncIterator[int]:
    """The port of a service in this process, on asyncio's own loop."""
    listener = UvicornListener(Service("tested", [Route("POST", "/read", read)]).app, "127.0.0.1", 0)
    yield (await listener.start()).port
    await listener.stop_accepting()
    await listener.drain(1.0)


@pytest.mark.parametrize(("status", "request_bytes"), [(413, LARGE), (413, CHUNKED), (400, NOT_HTTP)])
class TestWhoSendsEverythingBeforeReading:
    async def test_reads_the_refusal(self, here: int, status: int, request_bytes: bytes) -> None:
        async with connected(here) as client:
            await client.send(request_bytes)
            answer = await client.answer()

            assert status == answer.status
            assert await client.is_closed()

    @pytest.mark.system
    async def test_reads_the_refusal_of_a_process(
        self, start: Callable[..., Awaitable[ServiceProcess]], status: int, request_bytes: bytes
    ) -> None:
        service = await (await start()).ready()
        async with connected(service.port) as client:
            await client.send(request_bytes)
            answer = await client.answer()

            assert status == answer.status
            assert await client.is_closed()


async def test_who_never_stops_sending_is_cut() -> None:
    async with dropping(for_seconds=0.05) as (port, lost):
        with pytest.raises(ConnectionError):
            await send_for_ever(port)

        await lost.wait()


async def send_for_ever(port: int) -> None:
    async with connected(port) as client:
        while True:
            await client.send(bytes(65536))


@asynccontextmanager
async def dropping(*, for_seconds: float) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A server that lingers on every connection from the start, and what is set once one of them is lost."""
    lost = asyncio.Event()

    class Refusing(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            Lingering(transport, self, seconds=for_seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            lost.set()

    server = await asyncio.get_running_loop().create_server(Refusing, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], lost
