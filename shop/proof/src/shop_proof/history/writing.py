"""Writing a history while requests are made."""

import os
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from atoll.clock import Clock, SystemClock, to_millis
from shop_proof.history import lines


class Recorder(Protocol):
    """Takes down what a client does."""

    def sent(self, *, by: str, method: str, path: str, key: str = "", body: bytes = b"") -> int:
        """A request is about to leave; returns its number. Once this returns, the history knows of it."""

    def answered(self, number: int, status: int, body: bytes) -> None:
        """Its whole answer came."""

    def unanswered(self, number: int, why: str) -> None:
        """No whole answer will come."""


class NoHistory:
    """Takes nothing down."""

    def sent(self, *, by: str, method: str, path: str, key: str = "", body: bytes = b"") -> int:
        return 0

    def answered(self, number: int, status: int, body: bytes) -> None: ...

    def unanswered(self, number: int, why: str) -> None: ...


class HistoryFile:
    """A history at the end of the file `path`, which is made when it is not there, for its owner only.

    Every line is with the operating system before the call returns, so that a client that is killed leaves all it knew.
    A line that an earlier client did not finish stays as it is, by itself. Raises OSError.
    """

    def __init__(self, path: Path, system: str, clock: Clock | None = None) -> None:
        self.path = path
        self._system = system
        self._clock = clock or SystemClock()
        self._count = 0
        self._file = -1

    def __enter__(self) -> Self:
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if not _ends_with_line(self._file):
            os.write(self._file, b"\n")
        self._write(lines.Began(system=self._system, at=self._now()))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._file)

    def sent(self, *, by: str, method: str, path: str, key: str = "", body: bytes = b"") -> int:
        self._count += 1
        self._write(
            lines.Sent(
                number=self._count, at=self._now(), by=by, method=method, path=path, key=key, body=_as_text(body)
            )
        )
        return self._count

    def answered(self, number: int, status: int, body: bytes) -> None:
        self._write(lines.Answered(number=number, at=self._now(), status=status, body=_as_text(body)))

    def unanswered(self, number: int, why: str) -> None:
        self._write(lines.Unanswered(number=number, at=self._now(), why=why))

    def _write(self, line: lines.Line) -> None:
        data = lines.encode(line) + b"\n"
        while data:
            data = data[os.write(self._file, data) :]

    def _now(self) -> int:
        return to_millis(self._clock.now())


def _ends_with_line(file: int) -> bool:
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"


def _as_text(body: bytes) -> str:
    return body.decode(errors="replace")
