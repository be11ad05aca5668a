"""One system call for an answer's head and body: each costs more than all of our work on a small request."""

import asyncio
from collections.abc import Callable

MAX_JOINED = 64 * 1024
"""Bytes; what is larger is worth a write of its own, and not worth a copy."""


class JoinedWrites:
    """Stands before a transport, and joins what is written to it within one turn of the event loop.

    Has the methods that uvicorn uses for an answer. `end` is called for its close, after everything was written.
    """

    __slots__ = ("_end", "_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
        self._transport = transport
        self._loop = loop
        self._end = end
        self._held = b""

    def write(self, data: bytes) -> None:
        """The first piece waits for a second one until the end of the turn; then both go out together."""
        if self._held:
            self._flush_with(data)
        elif len(data) < MAX_JOINED:
            self._held = data
            self._loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what waits."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        """Write what waits, and have the connection ended."""
        self.flush()
        self._end()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def __repr__(self) -> str:
        return f"<JoinedWrites {len(self._held)} bytes before {self._transport!r}>"

    def _flush_with(self, data: bytes) -> None:
        if len(data) < MAX_JOINED:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        else:
            self.flush()
            self._transport.write(data)
