"""Clients that keep a server busy, and know exactly which of their requests went without an answer."""

import asyncio
import random
from collections import Counter
from typing import Literal

from atoll.testing.raw_http import RawClient, connected

Outcome = Literal["answered", "told to close", "lost", "failed"]


class Hammer:
    """Any number of clients, each sending one request after the other until the server takes no more connections.

    A connection is used `reuse` times; between two requests a client may think for up to `thinking` seconds.
    `counts` says what became of the requests: `answered` (of which `told to close` with the last answer of a
    connection, and `failed` with a status from 500 on), or `lost`: sent whole, and never answered whole.
    """

    def __init__(
        self, port: int, request: bytes, *, reuse: int = 1_000_000, thinking: float = 0.0, host: str = "127.0.0.1"
    ) -> None:
        self._host = host
        self._port = port
        self._request = request
        self._reuse = reuse
        self._thinking = thinking
        self._progress = asyncio.Condition()
        self.counts: Counter[Outcome] = Counter()

    async def run(self, clients: int) -> None:
        """Hammer until the server refuses every client."""
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._client())

    async def answered(self, count: int) -> None:
        """Wait until so many requests have been answered."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.counts["answered"] >= count)

    async def _client(self) -> None:
        while True:
            try:
                async with connected(self._port, host=self._host) as connection:
                    await self._use(connection)
            except OSError:  # nobody listens any more
                return

    async def _use(self, connection: RawClient) -> None:
        for _ in range(self._reuse):
            try:
                answer = await connection.request(self._request)
            except (asyncio.IncompleteReadError, OSError):
                self.counts["lost"] += 1
                return
            await self._count(answer.status)
            if answer.fields.get("connection") == "close":
                self.counts["told to close"] += 1
                return
            if self._thinking:
                await asyncio.sleep(random.uniform(0, self._thinking))  # noqa: S311 - not a secret

    async def _count(self, status: int) -> None:
        async with self._progress:
            self.counts["answered"] += 1
            self.counts["failed"] += status >= 500
            self._progress.notify_all()

    def __repr__(self) -> str:
        return f"<Hammer on {self._port}: {dict(self.counts)}>"
