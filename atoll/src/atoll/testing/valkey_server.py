"""A real Valkey server for tests, and what may happen to one."""

import contextlib
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from atoll.runner.embedded_valkey.server import ValkeyServer


class ValkeyToBreak:
    """A server on a socket in a folder, that a test may kill, wipe, restart and freeze."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "socket"
        self._server = self._new()

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    async def start(self) -> None:
        """Start it, with whatever data it has."""
        self._server = self._new()
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def kill(self) -> None:
        """End it with SIGKILL: what it has answered is on the disk."""
        self._server.send(signal.SIGKILL)
        await self._server.ended()

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def wipe(self) -> None:
        """Kill it, and start it without anything that it had."""
        await self.kill()
        shutil.rmtree(self._folder / "data")
        await self.start()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Within, it does not move, though it still listens."""
        self._server.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send(signal.SIGCONT)

    def _new(self) -> ValkeyServer:
        return ValkeyServer(self._folder / "data", self._socket)


@contextlib.asynccontextmanager
async def valkey_server() -> AsyncIterator[ValkeyToBreak]:
    """A new server, which ends with the block. In a folder of its own: the path of a socket must be short."""
    with tempfile.TemporaryDirectory(prefix="atoll-valkey-") as folder:
        server = ValkeyToBreak(Path(folder))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
