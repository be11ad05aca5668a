"""While the database cannot be written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import httpx2
import pytest

from atoll.storage.sqlite import SqliteDatabase

PASSWORD = "correct horse battery"


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    return SqliteDatabase(tmp_path / "users.db", lock_timeout=0.3)


async def test_what_cannot_be_written_is_told_as_such(tmp_path: Path, anyone: httpx2.AsyncClient) -> None:
    with held_by_another(tmp_path / "users.db"):
        answer = await anyone.post("/users", json={"name": "Ann", "email": "ann@example.com", "password": PASSWORD})

    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


@contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    """The write lock of the file is taken, as by a program that hangs."""
    other = apsw.Connection(str(path))
    other.set_busy_timeout(5000)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()
