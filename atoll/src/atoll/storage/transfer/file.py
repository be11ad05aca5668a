"""The file between two databases: a line on where it comes from, and then for each table its rows and their sum.

{"atoll": 1, "service": "users", "migrations": [{"version": 1, "name": …, "checksum": …}], "rows": 1234}
{"table": "users", "columns": ["id", "name", …]}
["0190…", "Ada", …]
…
{"rows": 1200, "sum": "9f86d0…"}
{"table": "refresh_tokens", …}
…
{"end": true}

It holds all that the database holds, secrets too: only its owner may read it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from atoll.storage.migrations import Migration
from atoll.storage.transfer.rows import Sum, line_to_row
from atoll.storage.transfer.tables import Table

FORMAT = 1


class TransferFailed(Exception):
    """The data cannot be taken out, or put in; the message says why, and what became of it."""


class Applied(msgspec.Struct, frozen=True):
    """A migration that the data has been through."""

    version: int
    name: str
    checksum: str

    def is_like(self, migration: Migration) -> bool:
        return (self.version, self.checksum) == (migration.version, migration.checksum)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Whose data it is, what shape it has, and how many rows there are in all."""

    atoll: int = FORMAT
    service: str
    migrations: tuple[Applied, ...]
    rows: int


class _TableLine(msgspec.Struct, frozen=True):
    table: str
    columns: tuple[str, ...]


class _SumLine(msgspec.Struct, frozen=True):
    rows: int
    sum: str


class Writer:
    """Writes one file, from the top to the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def origin(self, origin: Origin) -> None:
        self._write(msgspec.json.encode(origin))

    def table(self, table: Table) -> None:
        self._write(msgspec.json.encode(_TableLine(table.name, table.columns)))

    def row(self, line: bytes) -> None:
        self._write(line)

    def sum(self, sum_: Sum) -> None:
        self._write(msgspec.json.encode(_SumLine(sum_.rows, sum_.digest)))

    def end(self) -> None:
        self._write(b'{"end":true}')

    def _write(self, line: bytes) -> None:
        self._file.write(line + b"\n")


class Content(NamedTuple):
    """A table of the file, its rows, and their sum as it was written, once the rows have been read."""

    table: Table
    rows: Iterator[list[Any]]
    written: "WrittenSum"


class WrittenSum:
    """What the file says of a table's rows; None until it was read."""

    def __init__(self) -> None:
        self.rows: int | None = None
        self.digest = ""

    def is_of(self, sum_: Sum) -> bool:
        return (self.rows, self.digest) == (sum_.rows, sum_.digest)


class Reader:
    """Reads one file, from the top to the end; raises `TransferFailed` when it is none, or not whole."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self.origin = self._decoded(self._line(), Origin)
        if self.origin.atoll != FORMAT:
            raise self._broken()

    def contents(self) -> Iterator[Content]:
        """The tables in the order of the file; read the rows of each to their end before the next."""
        while (line := self._line()) != b'{"end":true}':
            found = self._decoded(line, _TableLine)
            written = WrittenSum()
            yield Content(Table(found.table, found.columns), self._rows(written), written)
            if written.rows is None:
                raise self._broken()

    def _rows(self, written: WrittenSum) -> Iterator[list[Any]]:
        while (line := self._line()).startswith(b"["):
            try:
                yield line_to_row(line)
            except ValueError:
                raise self._broken() from None
        found = self._decoded(line, _SumLine)
        written.rows, written.digest = found.rows, found.sum

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise self._broken()
        return line[:-1]

    def _decoded(self, line: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, ValueError):
            raise self._broken() from None

    def _broken(self) -> TransferFailed:
        return TransferFailed(f"{self._path} is no file of `atoll data export`, or not a whole one.")


@contextmanager
def new_file(path: Path) -> Iterator[Writer]:
    """A file that is there once all of it is written; its owner alone can read it."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)  # it may be somebody else's, or lead elsewhere
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield Writer(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def written_file(path: Path) -> Iterator[Reader]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise TransferFailed(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield Reader(file, path)
