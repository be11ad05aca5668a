"""Which tables a database has, those first that others refer to. The platform's own are left out."""

import graphlib
from typing import NamedTuple

from atoll.storage.database import ReadOnlyDatabase

_SQLITE_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
_SQLITE_COLUMNS = "SELECT name FROM pragma_table_info($1) ORDER BY cid"
_SQLITE_REFERRED = """SELECT DISTINCT "table" FROM pragma_foreign_key_list($1)"""

_POSTGRES_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
_POSTGRES_COLUMNS = """
    SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""
_POSTGRES_REFERRED = """
    SELECT DISTINCT referred.relname::text FROM pg_constraint JOIN pg_class referred ON referred.oid = confrelid
    WHERE contype = 'f' AND conrelid = to_regclass($1)
"""

PLATFORM = "atoll_"


class Table(NamedTuple):
    """A table and its columns, as they were made."""

    name: str
    columns: tuple[str, ...]

    @property
    def select(self) -> str:
        return f"SELECT {', '.join(map(quoted, self.columns))} FROM {quoted(self.name)}"  # noqa: S608 - quoted

    @property
    def insert(self) -> str:
        values = ", ".join(f"${number}" for number, _ in enumerate(self.columns, start=1))
        return f"INSERT INTO {quoted(self.name)} ({', '.join(map(quoted, self.columns))}) VALUES ({values})"  # noqa: S608 - quoted

    @property
    def delete(self) -> str:
        return f"DELETE FROM {quoted(self.name)}"  # noqa: S608 - quoted


async def tables_of(database: ReadOnlyDatabase) -> list[Table]:
    """Every table of the database, after those that it refers to."""
    names, columns, referred = _questions(database)
    tables = {name: await _table(database, columns, name) for (name,) in await database.fetch_all(names)}
    needs = {name: {other for (other,) in await database.fetch_all(referred, name)} - {name} for name in sorted(tables)}
    return [tables[name] for name in graphlib.TopologicalSorter(needs).static_order() if not name.startswith(PLATFORM)]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _table(database: ReadOnlyDatabase, columns: str, name: str) -> Table:
    return Table(name, tuple(column for (column,) in await database.fetch_all(columns, name)))


def _questions(database: ReadOnlyDatabase) -> tuple[str, str, str]:
    from atoll.storage.sqlite import ReadOnlySqlite, SqliteDatabase

    if isinstance(database, SqliteDatabase | ReadOnlySqlite):
        return _SQLITE_TABLES, _SQLITE_COLUMNS, _SQLITE_REFERRED
    return _POSTGRES_TABLES, _POSTGRES_COLUMNS, _POSTGRES_REFERRED
