"""A small service of notes, with keys: its own SQLite file, and a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from atoll.endpoints import Reply, Route
from atoll.idempotency import Asked, Forgetting, IdempotencyKey, Once, OncePerKey
from atoll.idempotency.kept_answers import TABLE
from atoll.identity.principal import Principal
from atoll.problems import Conflict
from atoll.service import Service
from atoll.storage import Database, Migration, Transaction, open_database
from atoll.testing.asgi import AppClient
from atoll.testing.callers import Callers
from atoll.testing.clock import ManualClock
from atoll.wire import Model, StrictModel

NOTES = "CREATE TABLE notes (id BIGINT NOT NULL, text TEXT NOT NULL);"


class NewNote(StrictModel):
    text: str


class Note(Model):
    id: int
    text: str


class Full(Conflict):
    """There is room for `most` notes."""


@dataclass
class Notes:
    """Two routes that create, so that keys of one can be tried at the other."""

    database: Database
    once_per_key: OncePerKey
    most: int = 1000

    def table(self) -> list[Route]:
        return [
            Route("POST", "/notes", self.post_note, status=201, problems=[Full]),
            Route("POST", "/drafts", self.post_draft, status=202),
            Route("POST", "/nothing", self.post_nothing),
        ]

    async def post_note(self, new: NewNote, writer: Principal, key: IdempotencyKey = None) -> Reply[Note]:
        asked = Asked("POST /notes", writer, key, new)
        return await self.once_per_key(
            asked,
            lambda once: self.add(new.text, once),
            lambda note: Reply(note, headers={"Location": f"/notes/{note.id}", "ETag": '"1"'}),
        )

    async def post_draft(self, new: NewNote, writer: Principal, key: IdempotencyKey = None) -> Reply[Note]:
        asked = Asked("POST /drafts", writer, key, new)
        return await self.once_per_key(
            asked, lambda once: self.add(new.text, once), lambda note: Reply(note, status=203)
        )

    async def post_nothing(self, new: NewNote, writer: Principal, key: IdempotencyKey = None) -> Reply[None]:
        asked = Asked("POST /nothing", writer, key, new)
        return await self.once_per_key(asked, lambda once: self.add(new.text, once), lambda _: Reply(None))

    async def add(self, text: str, once: Once) -> Note:
        async def add(tx: Transaction) -> Note:
            row = await tx.fetch_one("SELECT count(*) FROM notes")
            assert row is not None
            if row[0] >= self.most:
                raise Full("There is no room")
            await tx.execute("INSERT INTO notes (id, text) VALUES ($1, $2)", row[0] + 1, text)
            return Note(id=row[0] + 1, text=text)

        await asyncio.sleep(0)
        return await self.database.transaction(once(add))

    async def texts(self) -> list[str]:
        return [text for (text,) in await self.database.fetch_all("SELECT text FROM notes ORDER BY id")]


@dataclass
class Running:
    """The service, and clients of it."""

    notes: Notes
    service: Service
    callers: Callers

    def user(self, name: str) -> AppClient:
        return AppClient(self.service.app, headers=self.callers.user(name))

    def other_service(self, name: str) -> AppClient:
        return AppClient(self.service.app, headers=self.callers.service(name, to="notes"))


StartNotes: TypeAlias = Callable[[], AbstractAsyncContextManager[Running]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def start_notes(clock: ManualClock, tmp_path: Path) -> StartNotes:
    """Starts the service on the same file each time: one after the other, or several at once."""
    callers = Callers(clock=clock, lifetime=10 * 86_400)

    @asynccontextmanager
    async def start() -> AsyncIterator[Running]:
        async with open_database(f"sqlite:///{tmp_path}/notes.db") as database:
            await database.migrate([Migration(1, "notes", NOTES + TABLE)])
            notes = Notes(database, OncePerKey(database, clock))
            service = Service(
                "notes",
                notes.table(),
                authenticator=callers.authenticator("notes"),
                jobs={"forgetting": Forgetting(database, clock).run},
                clock=clock,
            )
            async with service.running():
                yield Running(notes, service, callers)

    return start


@pytest.fixture
async def running(start_notes: StartNotes) -> AsyncIterator[Running]:
    async with start_notes() as running:
        yield running


@pytest.fixture
def notes(running: Running) -> Notes:
    return running.notes


@pytest.fixture
def ann(running: Running) -> AppClient:
    return running.user("ann")
