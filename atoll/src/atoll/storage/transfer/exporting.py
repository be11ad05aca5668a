"""From a database to a file. Whoever writes to the database must have been stopped: each table is read by itself."""

from collections.abc import Callable
from pathlib import Path

from atoll.storage.database import ReadOnlyDatabase
from atoll.storage.transfer.alone import refuse_company
from atoll.storage.transfer.file import Applied, Origin, TransferFailed, new_file
from atoll.storage.transfer.rows import Sum, row_to_line
from atoll.storage.transfer.tables import PLATFORM, Table, quoted, tables_of

EVERY = 1000
"""Rows between two reports of progress."""

Progress = Callable[[int, int], None]
"""Called with how many rows are done, and how many there are."""


async def export_data(database: ReadOnlyDatabase, service: str, path: Path, progress: Progress) -> int:
    """Write everything that `service` keeps in the database to a new file; returns how many rows.

    Raises `TransferFailed` and `DatabaseError`; then there is no file.
    """
    await refuse_company(database, service)
    applied = await _applied(database, service)
    tables = await tables_of(database)
    total = sum([await _count(database, table) for table in tables])
    done = 0
    with new_file(path) as file:
        file.origin(Origin(service=service, migrations=applied, rows=total))
        for table in tables:
            file.table(table)
            sum_ = Sum()
            async for row in database.stream(table.select):
                line = row_to_line(row)
                sum_.add(line)
                file.row(line)
                if sum_.rows % EVERY == 0:
                    progress(done + sum_.rows, total)
            file.sum(sum_)
            done += sum_.rows
            progress(done, total)
        file.end()
    return done


async def _applied(database: ReadOnlyDatabase, service: str) -> tuple[Applied, ...]:
    names = [table.name for table in await tables_of(database)]
    if not names:
        raise TransferFailed(f"{service} keeps nothing there: the database is empty.")
    sql = f"SELECT version, name, checksum FROM {PLATFORM}migrations ORDER BY version"  # noqa: S608 - a constant
    return tuple(Applied(*row) for row in await database.fetch_all(sql))


async def _count(database: ReadOnlyDatabase, table: Table) -> int:
    row = await database.fetch_one(f"SELECT count(*) FROM {quoted(table.name)}")  # noqa: S608 - quoted
    return int(row[0]) if row else 0
