"""The directory that follows a registry."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from atoll.calls.errors import CallError
from atoll.calls.request import Query
from atoll.calls.timeouts import Timeouts
from atoll.clock import Clock, SystemClock
from atoll.discovery.instance import ServiceInstance
from atoll.discovery.known_instances import KnownInstances
from atoll.discovery.pauses import Pauses
from atoll.discovery.registry_api import InstanceList
from atoll.discovery.registry_client import RegistryClient
from atoll.discovery.waiting import wait_at_most
from atoll.observability.logging import get_logger

WATCH_SECONDS = 20.0
"""How long the registry may keep us waiting for news; a silent end of it is noticed 5 s later."""

FIRST_LIST_SECONDS = 1.0
"""How long a start waits for the first list before it goes on without one."""

GOODBYE_SECONDS = 0.5
"""How long the last word to the registry may take."""

WATCH_TIMEOUTS = Timeouts(connect=1.0, attempt=WATCH_SECONDS + 5.0, total=WATCH_SECONDS + 5.0)

log = get_logger()


class RegistryDirectory:
    """A `Directory` kept up to date by the registry at `url`, or by its replicas there.

    Enter it as an async context manager before use.
    Entering waits for the first list, but a second at most. While the registry is away, the last good list
    stays; when it comes back having forgotten everything, nobody is dropped for one lease.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, chance: random.Random | None = None) -> None:
        self._clock = clock or SystemClock()
        self._client = RegistryClient(url, timeouts=WATCH_TIMEOUTS, clock=self._clock)
        self._known = KnownInstances()
        self._name = str(uuid.uuid4())
        self._pauses = Pauses(chance=chance)
        self._has_list = asyncio.Event()
        self._registry_is_away = False

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        return self._known.instances(service)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        self._following = asyncio.create_task(self._follow(), name="follow the registry")
        await wait_at_most(FIRST_LIST_SECONDS, self._has_list, self._clock)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await self._say_goodbye()
        await self._client.__aexit__(exc_type, exc, traceback)

    async def _follow(self) -> None:
        cursor = ""
        while True:
            try:
                told = await self._watch(cursor)
            except CallError as error:
                self._note_absence(error)
                await self._clock.sleep(self._pauses.next())
            else:
                cursor = told.cursor
                self._learn(told)

    async def _watch(self, cursor: str) -> InstanceList:
        now = self._clock.monotonic()
        settling = self._known.seconds_to_settle(now)
        wait = WATCH_SECONDS if settling is None else min(WATCH_SECONDS, settling)
        query: Query = {"since": cursor, "wait": wait, "watcher": self._name}
        return await self._client.calls.get("/watch", query=query, into=InstanceList)

    async def _say_goodbye(self) -> None:
        """Nobody who leaves the registry needs to wait until we know."""
        if self._has_list.is_set() and not self._registry_is_away:
            with contextlib.suppress(CallError):
                query: Query = {"watcher": self._name, "last": True}
                await self._client.calls.get("/watch", query=query, into=InstanceList, timeout=GOODBYE_SECONDS)

    def _learn(self, told: InstanceList) -> None:
        if self._registry_is_away:
            log.info("registry is back", known=repr(self._known))
        self._registry_is_away = False
        self._pauses.reset()
        self._known.learn(told, self._clock.monotonic())
        self._has_list.set()

    def _note_absence(self, error: CallError) -> None:
        if not self._registry_is_away:
            log.warning("registry is away, the last list stays", error=str(error), known=repr(self._known))
        self._registry_is_away = True

    def __repr__(self) -> str:
        return f"RegistryDirectory({self._known!r})"
