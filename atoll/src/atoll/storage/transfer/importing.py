"""From a file to an empty database, in one transaction; then every row is read back and compared."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from atoll.storage.database import Database, Transaction
from atoll.storage.migrations import Migration
from atoll.storage.transfer.alone import refuse_company
from atoll.storage.transfer.exporting import EVERY, Progress
from atoll.storage.transfer.file import Applied, Origin, TransferFailed, WrittenSum, written_file
from atoll.storage.transfer.rows import Sum, row_to_line
from atoll.storage.transfer.tables import Table, tables_of


async def import_data(
    database: Database, service: str, migrations: Sequence[Migration], path: Path, progress: Progress
) -> int:
    """Put what was exported of `service` into the database, and bring it to the last of `migrations`.

    Returns how many rows there were, each of which was read back. Raises `TransferFailed` and `DatabaseError`; then
    the database is as empty as before.
    """
    with written_file(path) as file:
        origin: Origin = file.origin
    if origin.service != service:
        raise TransferFailed(f"{path} holds the data of {origin.service}, not of {service}.")
    known = _known(origin.migrations, migrations, path)
    await refuse_company(database, service)
    await database.migrate(known)
    tables = await tables_of(database)
    await _refuse_used(database, tables, known)
    written = await database.transaction(lambda tx: _fill(tx, path, tables, progress))
    try:
        await _compare(database, written, origin.rows, progress)
    except TransferFailed:
        await database.transaction(lambda tx: _empty(tx, tables))
        raise
    await database.migrate(migrations)
    return origin.rows


def _known(applied: Sequence[Applied], migrations: Sequence[Migration], path: Path) -> list[Migration]:
    """The migrations that the data has been through, as the code has them."""
    ours = sorted(migrations, key=lambda migration: migration.version)[: len(applied)]
    if len(ours) < len(applied) or not all(map(Applied.is_like, applied, ours)):
        raise TransferFailed(f"{path} was exported by other code: its migrations are not those of this version.")
    return ours


async def _refuse_used(database: Database, tables: Sequence[Table], migrations: Sequence[Migration]) -> None:
    """Only what migrations put there may be there."""
    from atoll.storage.sqlite import SqliteDatabase

    with TemporaryDirectory() as folder:
        async with SqliteDatabase(Path(folder) / "pristine.db") as pristine:
            await pristine.migrate(migrations)
            expected = {table.name: await _sum(pristine, table) for table in tables}
    for table in tables:
        found = await _sum(database, table)
        if found.rows and found != expected[table.name]:
            raise TransferFailed(f"The database is in use: there is data in {table.name}. Import into an empty one.")


async def _empty(tx: Transaction, tables: Sequence[Table]) -> None:
    for table in reversed(tables):
        await tx.execute(table.delete)


async def _fill(
    tx: Transaction, path: Path, tables: Sequence[Table], progress: Progress
) -> list[tuple[Table, WrittenSum]]:
    """Put every row of the file where it belongs; returns what it says of each table."""
    await _empty(tx, tables)
    columns = {table.name: set(table.columns) for table in tables}
    written = []
    done = 0
    with written_file(path) as file:
        for table, rows, sum_ in file.contents():
            if columns.get(table.name) != set(table.columns):
                raise TransferFailed(f"{path} has a table {table.name} that is not as the migrations make it.")
            while some := [*islice(rows, EVERY)]:
                await tx.execute_many(table.insert, some)
                done += len(some)
                progress(done, 2 * file.origin.rows)
            written.append((table, sum_))
    return written


async def _compare(
    database: Database, written: Sequence[tuple[Table, WrittenSum]], rows: int, progress: Progress
) -> None:
    done = rows
    for table, said in written:
        found = await _sum(database, table)
        if not said.is_of(found):
            raise TransferFailed(f"What was read back from {table.name} differs from the file; nothing was kept.")
        done += found.rows
        progress(done, 2 * rows)


async def _sum(database: Database, table: Table) -> Sum:
    sum_ = Sum()
    async for row in database.stream(table.select):
        sum_.add(row_to_line(row))
    return sum_
