"""Changes of a schema, numbered, written in plain SQL, and never edited once they are out."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

_FILE_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_INCLUDED = re.compile(r"^-- include (?P<package>[\w.]+) (?P<file>\d{4}_[a-z0-9_]+)[ \t]*$", re.MULTILINE)


class MigrationsInvalid(ValueError):
    """The files of a service cannot be its migrations; the message says which, and why."""


@dataclass(frozen=True)
class Migration:
    """One step of a schema: `sql` may hold several statements, which are applied together or not at all."""

    version: int
    name: str
    sql: str

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the SQL, whatever its line ends are; tells if it was changed once applied."""
        return hashlib.sha256("\n".join(self.sql.splitlines()).encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.version:04}_{self.name}"


def load_migrations(package: str) -> list[Migration]:
    """The files `0001_name.sql`, `0002_name.sql`, … in the folder `migrations` of `package`, in order.

    A line `-- include atoll.events 0001_events` stands for the file of that name in another package, which offers
    tables to those who want them: the number is our own, the SQL is theirs. MigrationsInvalid when a file is named
    otherwise, when a number is missing or used twice, or when there is nothing to include.
    """
    folder = resources.files(package) / "migrations"
    if not folder.is_dir():
        raise MigrationsInvalid(f"{package} has no folder of migrations.")
    files = [file for file in folder.iterdir() if not file.name.startswith(("_", "."))]
    return in_order([_migration(file.name, file.read_text("utf-8")) for file in files])


def in_order(migrations: Sequence[Migration]) -> list[Migration]:
    """Sorted by number; MigrationsInvalid when the numbers are not 1, 2, 3, … without a gap."""
    ordered = sorted(migrations, key=lambda migration: migration.version)
    for expected, migration in enumerate(ordered, start=1):
        if migration.version < expected:
            raise MigrationsInvalid(
                f"Two migrations have the number {migration.version:04}; {migration} is one of them."
            )
        if migration.version > expected:
            raise MigrationsInvalid(f"There is no migration {expected:04} before {migration}.")
    return ordered


def _migration(file_name: str, sql: str) -> Migration:
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        raise MigrationsInvalid(f"{file_name} is not the name of a migration; write 0001_what_it_does.sql.")
    return Migration(int(match["version"]), match["name"], _INCLUDED.sub(_included, sql))


def _included(line: re.Match[str]) -> str:
    file = resources.files(line["package"]) / "migrations" / f"{line['file']}.sql"
    if not file.is_file():
        raise MigrationsInvalid(f"There is no {line['file']}.sql among the migrations of {line['package']} to include.")
    return file.read_text("utf-8")
