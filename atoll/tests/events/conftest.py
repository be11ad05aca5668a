from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from atoll.events import MemoryBroker
from atoll.events.valkey import ValkeyBroker
from atoll.storage import Database, open_database
from atoll.testing.event_services import MIGRATIONS
from atoll.testing.valkey_server import ValkeyToBreak, valkey_server

pytest.register_assert_rewrite("atoll.testing.broker_suite")


@pytest.fixture
async def server() -> AsyncIterator[ValkeyToBreak]:
    """A Valkey server of the test's own."""
    async with valkey_server() as server:
        yield server


@pytest.fixture
async def valkey(server: ValkeyToBreak) -> AsyncIterator[ValkeyBroker]:
    async with ValkeyBroker(server.url) as broker:
        yield broker


@pytest.fixture
async def memory() -> AsyncIterator[MemoryBroker]:
    async with MemoryBroker() as broker:
        yield broker


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with the tables of events and of `atoll.testing.event_services`, once on each engine."""
    async with open_database(database_url) as database:
        await database.migrate(MIGRATIONS)
        yield database


@pytest.fixture
async def orders_database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path}/orders.db") as database:
        await database.migrate(MIGRATIONS)
        yield database


@pytest.fixture
async def stock_database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path}/stock.db") as database:
        await database.migrate(MIGRATIONS)
        yield database
