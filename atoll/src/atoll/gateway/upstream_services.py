"""Where requests can go: the services of the routing table, and their instances with our connections to them."""

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from atoll.calls.load_balancer import LoadBalancer, PowerOfTwoChoices
from atoll.calls.upstreams import Upstream, Upstreams
from atoll.discovery.directory import Directory
from atoll.problems import Unavailable

CONNECT_TIMEOUT = 1.0


class UpstreamServices:
    """Chooses instances. Leaving it as an async context manager closes every connection."""

    def __init__(
        self,
        services: Iterable[str],
        directory: Directory,
        *,
        max_connections: int,
        load_balancer: LoadBalancer | None = None,
    ) -> None:
        self._balancer = load_balancer or PowerOfTwoChoices()
        self._services: Mapping[str, Upstreams] = {
            service: Upstreams(service, directory, connect_timeout=CONNECT_TIMEOUT, max_connections=max_connections)
            for service in services
        }

    def choose(self, service: str, *, rather_not: Upstream | None = None) -> Upstream:
        """An instance to ask now, another than `rather_not` if there is one. Raises `Unavailable` without any."""
        candidates = self._services[service].current()
        if rather_not is not None and len(candidates) > 1:
            candidates = [each for each in candidates if each is not rather_not]
        if not candidates:
            raise Unavailable(f"No instance of the {service} service is known.")
        return self._balancer.choose(candidates)

    async def check(self, service: str) -> None:
        """Return when the service could be asked, raise `Unavailable` when not. For readiness."""
        self.choose(service)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(each.close() for each in self._services.values()))
