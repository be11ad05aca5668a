"""Being in the registry for as long as one runs."""

import asyncio
import contextvars
import random
from types import TracebackType
from typing import Self

from atoll.calls.errors import CallError, UpstreamProblem
from atoll.calls.request import path
from atoll.calls.timeouts import Timeouts
from atoll.clock import Clock, SystemClock
from atoll.discovery.pauses import Pauses
from atoll.discovery.registry_api import Admission, Announcement, Renewal
from atoll.discovery.registry_client import RegistryClient
from atoll.identity.service_credential import ServiceCredential
from atoll.observability.logging import get_logger

CALL_TIMEOUTS = Timeouts(connect=1.0, attempt=2.0, total=2.0)
"""How long one word to the registry may take, the farewell included."""

log = get_logger()


class Registration:
    """Keeps one instance in the registry at `url`, or its replicas there, while it is entered.

    Leaving is done with care: the instance is DRAINING first, until its callers know that it is to be called no
    more (a second at most), and then gone.

    Entering waits for nothing. While the registry is away it goes on trying; one that does not know the
    instance (any more) is told anew. Whatever the registry does, the service is not disturbed: failures are
    only logged.
    """

    def __init__(
        self,
        url: str,
        announcement: Announcement,
        credential: ServiceCredential,
        *,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._announcement = announcement
        self._clock = clock or SystemClock()
        self._pauses = Pauses(chance=chance)
        self._admission: Admission | None = None
        self._registering = asyncio.Lock()
        self._draining = False
        self._trouble = False
        self._client = RegistryClient(url, timeouts=CALL_TIMEOUTS, credential=credential.token_for, clock=self._clock)

    @property
    def instance_id(self) -> str | None:
        """What the registry calls this instance; None while it does not know it."""
        return self._admission.service_id if self._admission else None

    async def drain(self) -> None:
        """Ask to be listed no more, while still there; from now on the heartbeats say so too.

        Returns when the callers know, or cannot be waited for any longer.
        """
        self._draining = True
        if self._admission is not None:
            await self._attempt_renewal(self._admission)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        # calls of its own, that no request's deadline cuts
        self._keeping = asyncio.create_task(
            self._keep_registered(), name="stay registered", context=contextvars.Context()
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            # a registration that is under way is finished first, or nobody could take it back
            async with self._registering:
                self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            await self.drain()
            await self._leave()
        finally:
            self._keeping.cancel()
            await self._client.__aexit__(exc_type, exc, traceback)

    async def _keep_registered(self) -> None:
        while True:
            try:
                await self._step()
            except CallError as error:
                self._note_trouble(error)
                await self._clock.sleep(self._pauses.next())

    async def _step(self) -> None:
        """Register, or send a heartbeat when it is time; then rest until the next one."""
        if self._admission is None:
            async with self._registering:
                self._admission = await self._register()
        elif not await self._renew(self._admission):
            self._admission = None
            return
        self._note_success()
        await self._clock.sleep(self._admission.heartbeat_seconds)

    async def _register(self) -> Admission:
        admission = await self._client.calls.post("/register", self._announcement, into=Admission)
        if self._draining:
            await self._renew(admission)
        return admission

    async def _renew(self, admission: Admission) -> bool:
        """Whether the registry still knows the instance, and is the one that admitted it."""
        query = {"draining": True} if self._draining else None
        target = path("heartbeat", admission.service_id)
        try:
            renewal = await self._client.calls.post(target, into=Renewal, query=query)
        except UpstreamProblem as problem:
            if problem.status == 404:
                return False
            raise
        return renewal.epoch == admission.epoch

    async def _attempt_renewal(self, admission: Admission) -> None:
        try:
            await self._renew(admission)
        except CallError as error:
            self._note_trouble(error)

    async def _leave(self) -> None:
        try:
            if self._admission is not None:
                await self._client.calls.delete(path("register", self._admission.service_id))
                log.info("left the registry", instance=self._admission.service_id)
        except CallError as error:
            log.warning("could not leave the registry; the lease will run out", error=str(error))

    def _note_success(self) -> None:
        if self._trouble and self._admission:
            log.info("the registry knows us again", instance=self._admission.service_id)
        self._trouble = False
        self._pauses.reset()

    def _note_trouble(self, error: CallError) -> None:
        if not self._trouble:
            log.warning("the registry cannot be told that we are here; trying on", error=str(error))
        self._trouble = True

    def __repr__(self) -> str:
        return f"Registration({self._announcement.name!r}, instance_id={self.instance_id!r})"
