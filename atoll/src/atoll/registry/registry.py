"""The registry at work: leases that end by themselves, newcomers that are checked, and watchers that are told."""

import asyncio
from collections.abc import Awaitable, Callable

from atoll.clock import Clock
from atoll.discovery.instance import ServiceInstance
from atoll.discovery.registry_api import Announcement, InstanceList, ListedInstance
from atoll.discovery.waiting import wait_at_most
from atoll.observability.logging import get_logger
from atoll.problems import NotFound
from atoll.registry.leases import Lease, Leases
from atoll.registry.sharing import Sharing
from atoll.registry.watchers import Watchers

KNOWN_WITHIN = 1.0
"""Seconds that an instance which leaves waits at most for its callers to know."""

CHECK_INTERVAL = 1.0
"""Seconds between two checks of an instance that has not passed one yet."""

log = get_logger()

Check = Callable[[Lease], Awaitable[bool]]
"""Whether the instance answers as it should; takes a bounded time and never raises."""


class UnknownInstance(NotFound):
    """The id was never given out, or its lease has run out.

    What to do: the instance should register again.
    """


class NoHealthyInstances(NotFound):
    """Nobody who could be called goes by that name now.

    What to do: go on with the last list that was known; look at `/services` to see who is registered, and how they do.
    """


class Registry:
    """What the registry's endpoints call. Its jobs, `expire_leases` and `admit_newcomers`, must run.

    So must `share`, for one of several replicas.
    """

    def __init__(self, leases: Leases, check: Check, clock: Clock, sharing: Sharing | None = None) -> None:
        self._leases = leases
        self._sharing = sharing
        self._check = check
        self._clock = clock
        self._newcomers: asyncio.Queue[Lease] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._watchers = Watchers(clock)
        self._told = leases.revision
        self._closed = False

    @property
    def leases(self) -> Leases:
        return self._leases

    def register(self, announcement: Announcement) -> Lease:
        """Take the instance in; it is listed as soon as it passes its first check."""
        lease = self._leases.register(announcement)
        log.info("instance registered", instance=lease.instance.url, name=lease.instance.name)
        self._newcomers.put_nowait(lease)
        self._has_changed()
        return lease

    async def renew(self, instance_id: str, *, draining: bool) -> Lease:
        """A heartbeat; raises `UnknownInstance`."""
        if self._leases.find(instance_id) is None:
            await self._ask_the_others()
        lease = self._leases.renew(instance_id, draining=draining)
        if lease is None:
            raise UnknownInstance(f"No instance {instance_id} is registered; register again.")
        self._has_changed()
        return lease

    def leave(self, instance_id: str) -> None:
        """The instance stops; nothing happens when it is gone already."""
        self._leases.leave(instance_id)
        if self._sharing:
            self._sharing.note_leaving(instance_id)
        self._has_changed()

    def discover(self, service: str) -> ServiceInstance:
        """One instance to call, each in its turn; raises `NoHealthyInstances`."""
        instance = self._leases.pick(service)
        if instance is None:
            raise NoHealthyInstances(f"No healthy instances of {service} found")
        return instance

    def listed(self) -> InstanceList:
        """All instances that may be called now."""
        return InstanceList(
            epoch=self._leases.epoch,
            cursor=self._cursor(),
            lease_seconds=self._leases.lease_seconds,
            instances=tuple(map(ListedInstance.of, self._leases.listed())),
        )

    async def watch(self, since: str, seconds: float, watcher: str = "") -> InstanceList:
        """The list as soon as it is another one than at `since`, and after `seconds` in any case.

        `watcher` is a name of the caller's choice, under which it is known what it was told last.
        """
        if watcher:
            self._watchers.heard_from(watcher, since)
        if self._cursor() != since:
            await self._ask_the_others()
        give_up_at = self._clock.monotonic() + seconds
        while self._cursor() == since and not self._closed:
            remaining = give_up_at - self._clock.monotonic()
            if remaining <= 0:
                break
            await wait_at_most(remaining, self._changed, self._clock)
        return self.listed()

    def forget_watcher(self, watcher: str) -> None:
        """It has stopped; nobody needs to wait for it."""
        self._watchers.forget(watcher)

    async def until_known(self) -> None:
        """Return when every watcher has asked on from the list as it is now, and so acts on it; after 1 s at most.

        With other replicas always after 1 s: they do not say what their watchers know.
        """
        if self._sharing:
            await self._clock.sleep(KNOWN_WITHIN)
            return
        cursor = self._cursor()
        give_up_at = self._clock.monotonic() + KNOWN_WITHIN
        while not self._watchers.all_know(cursor):
            remaining = give_up_at - self._clock.monotonic()
            if remaining <= 0 or self._closed:
                return
            await wait_at_most(remaining, self._watchers.next_word(), self._clock)

    def close_watches(self) -> None:
        """Answer every watcher now, and from now on at once: the registry is about to stop."""
        self._closed = True
        self._tell_watchers()

    async def expire_leases(self) -> None:
        """Job: drop leases in the moment they run out."""
        while True:
            for lease in self._leases.evict_expired():
                log.warning("lease ran out", instance=lease.instance.url, name=lease.instance.name)
            self._tell_watchers()
            await self._clock.sleep(self._seconds_to_next_expiry())

    async def admit_newcomers(self) -> None:
        """Job: check each newcomer until it passes, or its lease runs out."""
        async with asyncio.TaskGroup() as checks:
            while True:
                newcomer = await self._newcomers.get()
                checks.create_task(self._admit(newcomer), name=f"first check of {newcomer.instance.url}")

    async def share(self) -> None:
        """Job: keep the leases and the list that the replicas share alike."""
        while self._sharing:
            await self._exchange(self._sharing)
            await self._sharing.until_next()

    async def _ask_the_others(self) -> None:
        """Before anything is said that another replica may know better; not while the shared list is away."""
        if self._sharing and not self._sharing.away:
            await self._exchange(self._sharing)

    async def _exchange(self, sharing: Sharing) -> None:
        for newcomer in await sharing.exchange():
            self._newcomers.put_nowait(newcomer)
        self._tell_watchers()

    async def _admit(self, newcomer: Lease) -> None:
        while not await self._check(newcomer):
            await self._clock.sleep(CHECK_INTERVAL)
            if self._leases.find(newcomer.instance.id) is None:
                return
        self._leases.admit(newcomer.instance.id)
        await self._ask_the_others()  # who is told of it must find it with every replica
        self._has_changed()

    def _cursor(self) -> str:
        return f"{self._leases.epoch}.{self._leases.fingerprint}"

    def _seconds_to_next_expiry(self) -> float:
        # a lease that begins later also ends later
        expiry = self._leases.next_expiry()
        return self._leases.lease_seconds if expiry is None else expiry - self._clock.monotonic()

    def _has_changed(self) -> None:
        """Tell everybody whom it concerns."""
        if self._sharing:
            self._sharing.tell()
        self._tell_watchers()

    def _tell_watchers(self) -> None:
        if self._closed or self._told != self._leases.revision:
            self._told = self._leases.revision
            self._changed.set()
            self._changed = asyncio.Event()
