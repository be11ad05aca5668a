"""A replica of the registry that keeps its leases and a shared list alike."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol, Self

from atoll.clock import Clock
from atoll.discovery.waiting import wait_at_most
from atoll.observability.logging import get_logger
from atoll.registry.leases import Lease, Leases
from atoll.registry.shared_list import Changes, SharedList, SharedState

INTERVAL = 0.5
"""Seconds between two looks at the list: what one replica is told, the watchers of all know within a second."""

PATIENCE = 2.0
"""Seconds that the start waits for a first look, and the stop for a last one."""

log = get_logger()


class ListUnavailable(Exception):
    """The shared list cannot be read or written now."""


class ListStore(Protocol):
    """Where the shared list is: an async context manager whose methods take bounded time."""

    async def read(self) -> SharedState:
        """All of it, as of one moment; raises `ListUnavailable`."""

    async def write(self, epoch: str, changes: Changes) -> None:
        """Make the changes, and `epoch` the list's own if it has none; raises `ListUnavailable`."""


class Sharing:
    """Enter it before the registry serves: it then knows what the others know, if the list can be reached.

    While it cannot, the replica goes on by itself, and adds what it has learned when the list is back.
    """

    def __init__(self, leases: Leases, store: ListStore, clock: Clock) -> None:
        self._leases = leases
        self._store = store
        self._clock = clock
        self._list = SharedList(leases, clock)
        self._exchanging = asyncio.Lock()
        self._soon = asyncio.Event()
        self.away = False
        """Whether the list could not be reached when it was last tried."""

    def tell(self) -> None:
        """Something has changed here: look at the list as soon as possible."""
        self._soon.set()

    def note_leaving(self, instance_id: str) -> None:
        """An instance said goodbye here."""
        self._list.note_leaving(instance_id)

    async def exchange(self) -> Sequence[Lease]:
        """Learn what is on the list, write what it lacks; newcomers that nobody may have checked yet."""
        try:
            newcomers = await self._exchange()
        except ListUnavailable as error:
            self._list.note_absence()
            if not self.away:
                log.warning("the shared list is away, this replica goes on by itself", error=str(error))
            self.away = True
            return ()
        if self.away:
            log.info("the shared list is back", instances=len(self._leases))
        self.away = False
        return newcomers

    async def until_next(self) -> None:
        """Return when it is time for the next exchange."""
        await wait_at_most(INTERVAL, self._soon, self._clock)
        self._soon.clear()

    async def _exchange(self) -> Sequence[Lease]:
        async with self._exchanging:  # what was read earlier must not be learned later
            state = await self._store.read()
            newcomers = self._list.learn(state)
            changes = self._list.changes(state)
            if changes or state.epoch is None:
                await self._store.write(self._leases.epoch, changes)
            return newcomers


class OpenStore:
    """The store of a list, with a first look at it at the start and a last one at the end; both may fail."""

    def __init__(self, store: AbstractAsyncContextManager[Any], sharing: Sharing) -> None:
        self._store = store
        self._sharing = sharing

    async def __aenter__(self) -> Self:
        await self._store.__aenter__()
        await self._look()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._look()
        await self._store.__aexit__(exc_type, exc, traceback)

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._sharing.exchange()
        except TimeoutError:
            log.warning("the shared list does not answer; this replica goes on by itself")
