"""Services on real sockets of this process, for tests in which the wire matters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atoll.lifecycle import Program, Runnable, UvicornListener
from atoll.lifecycle.listener import accepting

DRAIN_LIMIT = 5.0
"""Seconds that requests in hand have at the end."""


@asynccontextmanager
async def serving(program: Runnable | Program, port: int = 0) -> AsyncIterator[str]:
    """Within, the service runs and answers at the URL given, on a free port of 127.0.0.1 unless told otherwise.

    A `Program` is served at its own address. Leaving stops it as gracefully as a process would.
    """
    if not isinstance(program, Program):
        program = Program(program, {"port": UvicornListener(program.app, "127.0.0.1", port)})
    async with program.service.running(), accepting(program.listeners, DRAIN_LIMIT) as bound:
        try:
            yield f"http://127.0.0.1:{bound['port'].port}"
        finally:
            program.service.stopping()
