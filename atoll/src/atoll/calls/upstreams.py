"""The instances of one service as its callers hold them: each with its pool of connections."""

import asyncio
from collections.abc import Sequence

from atoll.discovery.directory import Directory
from atoll.discovery.instance import ServiceInstance
from atoll.http1.pool import ConnectionPool


class Upstream:
    """An instance and our connections to it."""

    __slots__ = ("authority", "instance", "pool")

    def __init__(self, instance: ServiceInstance, pool: ConnectionPool) -> None:
        self.instance = instance
        self.pool = pool
        self.authority = instance.url.removeprefix("http://")
        """What the Host header says."""

    def __repr__(self) -> str:
        return f"<Upstream {self.instance.id} {self.pool!r}>"

    @property
    def in_flight(self) -> int:
        """Calls that hold a connection, or wait for one."""
        return self.pool.in_use + self.pool.connecting + self.pool.waiting


class Upstreams:
    """Follows the directory: pools for instances that appear, and none for those that are gone.

    An instance that is gone answers what it was asked before; it is asked nothing more.
    """

    def __init__(self, service: str, directory: Directory, *, connect_timeout: float, max_connections: int) -> None:
        self.service = service
        self._directory = directory
        self._connect_timeout = connect_timeout
        self._max_connections = max_connections
        self._known: Sequence[ServiceInstance] = ()
        self._upstreams: list[Upstream] = []
        self._leaving: list[ConnectionPool] = []

    def __repr__(self) -> str:
        return f"<Upstreams {self.service} {self._upstreams!r}>"

    def current(self) -> Sequence[Upstream]:
        """Those to be called now, in the directory's order; empty when none is known."""
        instances = self._directory.instances(self.service)
        if instances is not self._known:
            self._follow(instances)
        return self._upstreams

    async def close(self) -> None:
        """Close every connection; answers under way are lost."""
        pools = [*self._leaving, *(upstream.pool for upstream in self._upstreams)]
        await asyncio.gather(*(pool.close() for pool in pools))

    def _follow(self, instances: Sequence[ServiceInstance]) -> None:
        before = {upstream.instance: upstream for upstream in self._upstreams}
        self._known = instances
        self._upstreams = [
            before.pop(instance) if instance in before else self._open(instance) for instance in instances
        ]
        self._leaving = [pool for pool in self._leaving if not pool.closed]
        for upstream in before.values():
            upstream.pool.drain()
            self._leaving.append(upstream.pool)

    def _open(self, instance: ServiceInstance) -> Upstream:
        pool = ConnectionPool(
            instance.host,
            instance.port,
            connect_timeout=self._connect_timeout,
            max_connections=self._max_connections,
        )
        return Upstream(instance, pool)
