"""Whatever breaks, callers learn nothing of our inside: no stack, no host, no path, no word of SQL."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import apsw
import httpx2
import pytest

import shop_orders.app
import shop_products.app
import shop_users.app
from atoll.endpoints import Route
from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GatewaySettings, RouteSettings
from atoll.service import Service
from atoll.storage.sqlite import SqliteDatabase
from atoll.testing.callers import Callers
from atoll.testing.serving import serving
from shop_orders.settings import OrdersSettings
from shop_products.settings import ProductsSettings
from shop_users.settings import UsersSettings

INSIDE = {
    "a stack": r"Traceback|File \"|\bline \d+|\.py\b",
    "a class of Python": r"\b\w+(Error|Exception)\b|\bobject at 0x",
    "SQL": r"\b(SELECT|INSERT|UPDATE|DELETE FROM|PRAGMA|BEGIN)\b",
    "the database's engine": r"(?i:sqlite|apsw|no such table|disk image|locked|constraint)",
    "a host or a port": rf"127\.0\.0\.1|localhost|{re.escape(socket.gethostname())}|:\d{{4,5}}\b|\bport \d+",
    "a path of the machine": r"/(tmp|home|root|usr|var|srv|opt)/",
    "the name of a program": r"(?i:uvicorn|starlette|msgspec|python|httptools)",
}

NEW_USER = {"name": "Kim", "email": "kim@example.com", "password": "a long pass phrase"}
NEW_ORDER = {"items": [{"productId": "lamp", "quantity": 1}]}
SIGN_IN = {"email": "kim@example.com", "password": "a long pass phrase"}


def assert_tells_nothing(answer: httpx2.Response, *, status: int) -> None:
    """Whether it is a problem as it should be, without a trace of how the shop is built."""
    said = "\n".join([*(f"{name}: {value}" for name, value in answer.headers.items()), answer.text])
    leaks = {what: found[0] for what, pattern in INSIDE.items() if (found := re.search(pattern, said))}

    assert status == answer.status_code, said
    assert "application/problem+json" == answer.headers["content-type"]
    assert not leaks, said


@asynccontextmanager
async def client_of(service: Any) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(service) as url, httpx2.AsyncClient(base_url=url, timeout=30) as http:
        yield http


def users(folder: Path) -> Service:
    return shop_users.app.create_app(UsersSettings(database_url=f"sqlite:///{folder}/users.db"))


def drop_tables(file: Path) -> None:
    with closing(apsw.Connection(str(file))) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            database.execute(f"DROP TABLE IF EXISTS {name}")


def overwrite(file: Path) -> None:
    for part in (file, file.with_name(f"{file.name}-wal")):
        part.write_bytes(b"not a database" * 10_000)


@pytest.mark.parametrize("break_it", [drop_tables, overwrite])
async def test_a_broken_database_tells_nothing(break_it: Callable[[Path], None], tmp_path: Path) -> None:
    async with client_of(users(tmp_path)) as http:
        break_it(tmp_path / "users.db")
        answers = [await http.post("/users", json=NEW_USER), await http.post("/auth/login", json=SIGN_IN)]

    for answer in answers:
        assert answer.status_code in (500, 503)
        assert_tells_nothing(answer, status=answer.status_code)


async def test_a_locked_database_tells_nothing(tmp_path: Path) -> None:
    database = SqliteDatabase(f"{tmp_path}/users.db", lock_timeout=0.2)
    service = shop_users.app.create_app(UsersSettings(), database=database)
    async with client_of(service) as http:
        with closing(apsw.Connection(str(tmp_path / "users.db"))) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = await http.post("/users", json=NEW_USER)

    assert_tells_nothing(answer, status=503)


async def test_a_bug_tells_nothing() -> None:
    async def handle() -> None:
        raise RuntimeError("SELECT password FROM users at db.internal:5432 in /srv/shop/store.py, line 7")

    async with client_of(Service("shop", [Route("GET", "/x", handle)])) as http:
        answer = await http.get("/x")

    assert_tells_nothing(answer, status=500)


async def test_a_bug_within_a_foreign_app_tells_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("SELECT password FROM users")

    async with client_of(Service.hosting("shop", app)) as http:
        answer = await http.get("/x")

    assert_tells_nothing(answer, status=500)


async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"NONSENSE from db.internal:5432\r\n\r\n")
    writer.close()


async def silence(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def another_shape(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    body = b'{"error": "SELECT failed in /srv/shop/store.py"}'
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    writer.close()


async def page_of_an_error(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    body = b"<pre>Traceback (most recent call last): SELECT</pre>"
    writer.write(b"HTTP/1.1 500 Oops\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    writer.close()


@asynccontextmanager
async def neighbour(answer: Any) -> AsyncIterator[str]:
    """The address of a service that answers badly; of one that is not there when `answer` is None."""
    server = await asyncio.start_server(answer or silence, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    if answer is None:
        server.close()
    async with server:
        yield url


BAD_NEIGHBOURS = [None, silence, nonsense, another_shape, page_of_an_error]


@pytest.mark.parametrize("answer", BAD_NEIGHBOURS)
async def test_a_neighbour_that_fails_tells_nothing(answer: Any, tmp_path: Path) -> None:
    callers = Callers()
    async with neighbour(answer) as products_url:
        settings = OrdersSettings(database_url=f"sqlite:///{tmp_path}/orders.db", products_url=products_url)
        service = shop_orders.app.create_app(settings, authenticator=callers.authenticator("orders"))
        async with client_of(service) as http:
            placed = await http.post("/orders", json=NEW_ORDER, headers=callers.user("ann"))

    assert_tells_nothing(placed, status=503)


@pytest.mark.parametrize("answer", BAD_NEIGHBOURS)
async def test_token_keys_that_cannot_be_had_tell_nothing(answer: Any, tmp_path: Path) -> None:
    async with neighbour(answer) as users_url:
        settings = ProductsSettings(database_url=f"sqlite:///{tmp_path}/products.db", users_url=users_url)
        async with client_of(shop_products.app.create_app(settings)) as http:
            changed = await http.delete("/products/lamp", headers=Callers().admin())

    assert_tells_nothing(changed, status=503)


@pytest.mark.parametrize(("answer", "status"), [(None, 503), (silence, 502), (nonsense, 502)])
async def test_a_service_that_fails_tells_nothing_at_the_door(answer: Any, status: int) -> None:
    routes = (RouteSettings(path="/orders", to="orders", access="public"),)
    async with neighbour(answer) as orders_url:
        door = create_gateway(
            GatewaySettings(port=0, ops_port=0, routes=routes, max_loop_delay=10.0),
            environ={"ORDERS_URL": orders_url, "USERS_URL": orders_url},
        )
        async with client_of(door) as http:
            asked = await http.post("/api/orders", json=NEW_ORDER)

    assert_tells_nothing(asked, status=status)
