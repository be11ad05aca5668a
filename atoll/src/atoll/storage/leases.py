"""Leases: of many replicas over one database, one at a time has the right to do a job.

The holder writes a beat now and then. Who wants the lease watches the beat, and takes over once it has stood still for
longer than the lease lasts, by the watcher's own clock: no two clocks are ever compared, as in the leader election of
Kubernetes. A lease that was released is free at once.

A holder that was stopped for a while may go on for a moment although another one has taken over. So what the job does
must be right even if two do it: guarded by conditional updates, as everything here is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from atoll.clock import Clock
from atoll.observability.logging import get_logger
from atoll.storage.database import CommitFailed, Database, DatabaseUnavailable, Transaction

LASTS = 15.0
"""Seconds, as those of the registry."""

_RENEW = "UPDATE atoll_leases SET beat = beat + 1 WHERE name = $1 AND holder = $2"

_ADD = "INSERT INTO atoll_leases (name, holder, beat) VALUES ($1, $2, 1) ON CONFLICT (name) DO NOTHING"

_LOOK = "SELECT holder, beat FROM atoll_leases WHERE name = $1"

_TAKE_OVER = """
    UPDATE atoll_leases SET holder = $2, beat = beat + 1 WHERE name = $1 AND holder = $3 AND beat = $4
"""

_RELEASE = "UPDATE atoll_leases SET holder = '', beat = beat + 1 WHERE name = $1 AND holder = $2"

log = get_logger()


class Beat(NamedTuple):
    """What stands in the database: who holds the lease, empty for nobody, and how often that was written."""

    holder: str
    number: int


class Lease:
    """One lease, as `holder` sees it, who must be one running process and no other.

    It lasts for `lasts` seconds after each beat, of which there are three in that time.
    """

    def __init__(self, database: Database, name: str, *, holder: str, clock: Clock, lasts: float = LASTS) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._clock = clock
        self._lasts = lasts
        self._seen: Beat | None = None
        self._seen_at = 0.0
        self._held_until = 0.0

    def __repr__(self) -> str:
        state = "held" if self.is_held else f"seen with {self._seen.holder or 'nobody'}" if self._seen else "not seen"
        return f"<Lease {self._name}: {state}>"

    @property
    def is_held(self) -> bool:
        """Whether we have it, as far as we know."""
        return self._clock.monotonic() < self._held_until

    async def take(self) -> bool:
        """Take the lease, or keep it; False while another one has it. Raises `DatabaseError`."""
        began = self._clock.monotonic()
        stale = self._seen if began - self._seen_at >= self._lasts else None
        found = await self._database.transaction(lambda tx: self._take(tx, stale))
        if found is None:
            self._held_until = began + self._lasts
            return True
        if found != self._seen:
            self._seen, self._seen_at = found, began
        self._held_until = 0.0
        return False

    async def release(self) -> None:
        """Let another one take the lease at once, if it is ours. Raises `DatabaseError`."""
        self._held_until = 0.0
        await self._database.transaction(lambda tx: tx.execute(_RELEASE, self._name, self._holder))

    async def run(self, job: Callable[[], Awaitable[None]]) -> None:
        """Do `job` while we hold the lease, and wait for it while we do not, until cancelled or the job ends.

        The job is cancelled when the lease is lost, and begun anew when we have it again. What it raises is raised.
        """
        try:
            while True:
                if await self._try_to_take() and await self._has_done(job):
                    return
                await self._clock.sleep(self._lasts / 3)
        finally:
            await self._let_go()

    async def _take(self, tx: Transaction, stale: Beat | None) -> Beat | None:
        """Whose it is, if it is not ours now."""
        for sql in (_RENEW, _ADD):
            if await tx.execute(sql, self._name, self._holder):
                return None
        found = Beat(*(await tx.fetch_one(_LOOK, self._name) or ("", 0)))
        if found.holder and found != stale:
            return found
        taken = await tx.execute(_TAKE_OVER, self._name, self._holder, *found)
        return None if taken else found

    async def _try_to_take(self) -> bool:
        try:
            return await self.take()
        except (DatabaseUnavailable, CommitFailed) as error:
            log.warning("lease cannot be taken now", lease=self._name, reason=str(error))
            return self.is_held

    async def _has_done(self, job: Callable[[], Awaitable[None]]) -> bool:
        """Do the job until it ends or the lease is lost; True when it has ended."""
        log.info("lease taken", lease=self._name)
        work = asyncio.ensure_future(job())
        keeping = asyncio.create_task(self._keep())
        try:
            await asyncio.wait([work, keeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            keeping.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait([work])
        if work.cancelled():
            log.warning("lease lost", lease=self._name)
            return False
        work.result()
        return True

    async def _keep(self) -> None:
        """Return when the lease is lost."""
        while True:
            await self._clock.sleep(self._lasts / 3)
            if not await self._try_to_take():
                return

    async def _let_go(self) -> None:
        if self.is_held:
            try:
                await asyncio.shield(self.release())
            except (DatabaseUnavailable, CommitFailed) as error:
                log.warning("lease not released", lease=self._name, reason=str(error))
