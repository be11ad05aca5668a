"""The line to whoever started the process: it learns when we serve and when we stop; we learn when it is gone.

`ATOLL_SUPERVISOR_FD` is the number of a connected Unix stream socket. We write one JSON object on a line
each: `{"ready": {"port": 3001}}` with every bound port by name, `{"failed": "A sentence."}` when we cannot
start, and `{"stopping": true}`. Its end means that the supervisor is gone.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Self

import msgspec

SUPERVISOR_FD = "ATOLL_SUPERVISOR_FD"


class SupervisorLine:
    """One end of the line; without a supervisor, `SupervisorLine(None)`, which tells nobody."""

    def __init__(self, line: socket.socket | None) -> None:
        self._line = line

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The line that the environment names; none when it names none, or something that is no open socket."""
        number = environ.get(SUPERVISOR_FD, "")
        if not number.isdecimal():
            return cls(None)
        try:
            os.set_inheritable(int(number), False)
            return cls(socket.socket(fileno=int(number)))
        except OSError:
            return cls(None)

    def ready(self, ports: Mapping[str, int]) -> None:
        """We serve, at these ports."""
        self._tell({"ready": ports})

    def failed(self, sentence: str) -> None:
        """We cannot start, and end."""
        self._tell({"failed": sentence})

    def stopping(self) -> None:
        """We have begun to stop."""
        self._tell({"stopping": True})

    def close(self) -> None:
        """Hang up; the supervisor sees our end, as it does when the process ends."""
        if self._line is not None:
            self._line.close()

    @contextlib.contextmanager
    def watched(self, on_gone: Callable[[], None]) -> Iterator[None]:
        """Within, `on_gone` is called once if the supervisor goes away."""
        if self._line is None:
            yield
            return
        loop = asyncio.get_running_loop()
        line = self._line
        line.setblocking(False)

        def read() -> None:
            if not _still_there(line):
                loop.remove_reader(line)
                on_gone()

        loop.add_reader(line, read)
        try:
            yield
        finally:
            loop.remove_reader(line)

    def _tell(self, message: Mapping[str, object]) -> None:
        """One short line; its supervisor has far more room in the socket than we ever say."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.sendall(msgspec.json.encode(message) + b"\n")


def _still_there(line: socket.socket) -> bool:
    try:
        return bool(line.recv(4096))
    except BlockingIOError:
        return True
    except OSError:
        return False
