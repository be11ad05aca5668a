"""An end that does not take the last answer away.

Closing a connection whose bytes nobody has read makes the kernel reset it, and a reset may reach a client before
it has read its answer. So whoever is refused while still sending is told that nothing more comes, and is heard to
the end, or for a while (RFC 9112, section 9.6).
"""

import asyncio

LINGER_FOR = 2.0
"""Seconds for which bytes are read and dropped, as at the gateway."""


class Lingering(asyncio.Protocol):
    """Takes over a connection whose last answer is written: drops what comes until the client closes, or time is up.

    `connection` had it before, and is told when it is lost.
    """

    def __init__(
        self, transport: asyncio.Transport, connection: asyncio.Protocol, *, seconds: float = LINGER_FOR
    ) -> None:
        self._connection = connection
        self._expiry = asyncio.get_running_loop().call_later(seconds, transport.abort)
        transport.set_protocol(self)
        transport.write_eof()
        transport.resume_reading()

    def __repr__(self) -> str:
        return f"<Lingering after {self._connection!r}>"

    def data_received(self, data: bytes) -> None:
        """Drop it."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._expiry.cancel()
        self._connection.connection_lost(exc)
