"""Nobody else may be at work in a database whose data is moved.

The data folder's lock sees to that for those who run on it. A server elsewhere may have clients that nobody here knows.
"""

import asyncio

from atoll.storage.database import ReadOnlyDatabase
from atoll.storage.transfer.file import TransferFailed

LOOKS = 20
PAUSE = 0.1
"""Seconds. A service that was stopped just now takes a moment until its sessions are gone."""

_OTHERS = """
    SELECT count(*), coalesce(min(host(client_addr)), 'this machine') FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""


async def refuse_company(database: ReadOnlyDatabase, service: str) -> None:
    """`TransferFailed` when other sessions of our role stay in the database."""
    from atoll.storage.sqlite import ReadOnlySqlite, SqliteDatabase

    if isinstance(database, SqliteDatabase | ReadOnlySqlite):
        return
    for _ in range(LOOKS):
        others, place = await database.fetch_one(_OTHERS) or (0, "")
        if not others:
            return
        await asyncio.sleep(PAUSE)
    raise TransferFailed(f"{service} is still at work: its database has {others} other sessions, from {place}.")
