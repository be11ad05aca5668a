"""The registry's endpoints: everyone may ask, only services of the system may change something."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from atoll.discovery.registry_api import (
    Admission,
    Announcement,
    Discovered,
    InstanceList,
    InstanceReport,
    InstanceReports,
    Renewal,
    ShortText,
)
from atoll.endpoints import CallingService, Request, Route
from atoll.observability.health import Health, Liveness
from atoll.registry.announcers import Announcers, ForeignAddress
from atoll.registry.leases import HEARTBEAT_SECONDS, Lease
from atoll.registry.registry import NoHealthyInstances, Registry, UnknownInstance

WATCH_SECONDS = 25.0
"""How long a watcher waits when it does not say; below the 30 s after which many proxies cut a silent answer."""

WatchSeconds = Annotated[float, Meta(ge=0, le=30)]


class RegistryHealth(Liveness, frozen=True, rename="camel"):
    """The liveness of every service, and how many instances are registered."""

    registered_services: int


class RegistryRoutes:
    """The handlers, and the table of contents."""

    def __init__(self, registry: Registry, announcers: Announcers, health: Health) -> None:
        self._registry = registry
        self._announcers = announcers
        self._health = health

    def table(self) -> list[Route]:
        return [
            Route("POST", "/register", self.register, status=201, problems=[ForeignAddress]),
            Route("POST", "/heartbeat/{service_id}", self.heartbeat, problems=[UnknownInstance]),
            Route("DELETE", "/register/{service_id}", self.leave),
            Route("GET", "/discover/{name}", self.discover, problems=[NoHealthyInstances]),
            Route("GET", "/services", self.services),
            Route("GET", "/services/{name}", self.service),
            Route("GET", "/watch", self.watch),
            Route("GET", "/health", self.health),
        ]

    async def register(self, announcement: Announcement, caller: CallingService, request: Request) -> Admission:
        """Take in an instance, at the caller's own address; it is listed once it answers its health check."""
        await self._announcers.check(announcement.host, request.client[0] if request.client else "")
        lease = self._registry.register(announcement)
        return Admission(
            service_id=lease.instance.id,
            lease_seconds=self._registry.leases.lease_seconds,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            epoch=self._registry.leases.epoch,
        )

    async def heartbeat(self, service_id: str, caller: CallingService, draining: bool = False) -> Renewal:
        """Begin the lease anew. `draining` takes the instance off the list while it finishes its work.

        The answer to that comes when its callers know, or after a second.
        """
        lease = await self._registry.renew(service_id, draining=draining)
        if draining:
            await self._registry.until_known()
        return Renewal(service_id=service_id, status=lease.status, epoch=self._registry.leases.epoch)

    async def leave(self, service_id: str, caller: CallingService) -> None:
        """Take an instance off the list; one that is gone already may leave again."""
        self._registry.leave(service_id)

    async def discover(self, name: str) -> Discovered:
        """One instance to call, each in its turn."""
        instance = self._registry.discover(name)
        return Discovered(id=instance.id, host=instance.host, port=instance.port, url=instance.url)

    async def services(self) -> InstanceReports:
        """All instances of all services, whatever their status."""
        return self._reports(self._registry.leases.all())

    async def service(self, name: str) -> InstanceReports:
        """All instances of one service, whatever their status."""
        return self._reports([lease for lease in self._registry.leases.all() if lease.instance.name == name])

    async def watch(
        self, since: str = "", wait: WatchSeconds = WATCH_SECONDS, watcher: ShortText = "", last: bool = False
    ) -> InstanceList:
        """The list, as soon as it differs from that at the cursor `since`, or after `wait` seconds.

        Who gives itself a name as `watcher` is waited for by instances that leave, until it asks for the `last`
        time.
        """
        if last:
            self._registry.forget_watcher(watcher)
            return self._registry.listed()
        return await self._registry.watch(since, wait, watcher)

    async def health(self) -> RegistryHealth:
        """That the registry runs, and how many instances it knows."""
        alive = self._health.liveness()
        return RegistryHealth(
            **{name: getattr(alive, name) for name in alive.__struct_fields__},
            registered_services=len(self._registry.leases),
        )

    def _reports(self, leases: Sequence[Lease]) -> InstanceReports:
        return InstanceReports(items=tuple(self._report(lease) for lease in leases))

    def _report(self, lease: Lease) -> InstanceReport:
        instance = lease.instance
        return InstanceReport(
            id=instance.id,
            name=instance.name,
            host=instance.host,
            port=instance.port,
            url=instance.url,
            version=instance.version,
            metadata=dict(lease.metadata),
            status=lease.status,
            registered_at=lease.registered_at,
            heartbeat_age_seconds=round(self._registry.leases.age(lease), 3),
        )
