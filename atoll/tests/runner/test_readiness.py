import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from atoll.runner.probe import Answer, ask
from atoll.runner.readiness import unready_services

UNREADY = b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}"
READY = b'HTTP/1.1 200 OK\r\n\r\n{"status": "ready"}'


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives each connection the next answer, the last one for ever; its address, and what it was sent."""
    sent: list[bytes] = []
    left = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}", sent


async def test_an_answer_has_its_status_and_its_json() -> None:
    async with answering(READY) as (url, sent):
        answer = await ask(f"{url}/ready?deep=1")

    assert answer == Answer(200, {"status": "ready"}, text='{"status": "ready"}')
    assert sent[0].startswith(b"GET /ready?deep=1 HTTP/1.0\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize("nonsense", [b"", b"hello", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 many\r\n\r\n"])
async def test_what_is_no_http_is_no_answer(nonsense: bytes) -> None:
    async with answering(nonsense) as (url, _):
        assert await ask(url) == Answer(0, {})


async def test_a_json_list_is_no_object() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n[1]") as (url, _):
        assert await ask(url) == Answer(200, {}, text="[1]")


async def test_silence_ends_with_the_patience() -> None:
    left = asyncio.Event()

    async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(listen_only, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        assert await ask(f"http://127.0.0.1:{port}", timeout=0.05) == Answer(0, {})
        await left.wait()


async def test_a_closed_port_is_no_answer(unused_port: Callable[[], int]) -> None:
    assert await ask(f"http://127.0.0.1:{unused_port()}") == Answer(0, {})


async def test_services_are_waited_for_until_they_are_ready() -> None:
    async with answering(UNREADY, UNREADY, READY) as (users, sent), answering(READY) as (orders, _):
        assert await unready_services({"users": users, "orders": orders}) == []

    assert len(sent) == 3


async def test_who_is_still_not_ready_in_the_end_is_named() -> None:
    async with answering(UNREADY) as (users, _), answering(READY) as (orders, _):
        assert await unready_services({"users": users, "orders": orders}, within=0.1) == ["users"]


async def test_who_has_no_such_page_is_taken_as_ready() -> None:
    async with answering(b"HTTP/1.1 404 Not Found\r\n\r\n") as (files, _):
        assert await unready_services({"files": files}) == []


@pytest.fixture
def unused_port() -> Callable[[], int]:
    from atoll.runner.ports import PortPlan
    from atoll.runner.system_file import ServiceSpec

    def choose() -> int:
        plan = PortPlan({"any": ServiceSpec(module="any")})
        plan.choose_free("any")
        return plan.of("any")["port"]

    return choose
