"""The directory that asks DNS: every address of a name is an instance."""

import asyncio
import contextvars
import ipaddress
import random
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from atoll.clock import Clock, SystemClock
from atoll.discovery.instance import ServiceInstance
from atoll.discovery.resolving import CannotResolve, Resolve, resolve
from atoll.discovery.waiting import wait_at_most
from atoll.observability.logging import get_logger

SCHEME = "dns://"

INTERVAL = 5.0
"""Seconds between two questions, give or take a fifth, so that callers do not ask together.

The resolver of the machine tells nobody how long an answer holds; Kubernetes' own says 5 s (CoreDNS' kubernetes
plugin, `ttl`).
"""

FIRST_ANSWER_SECONDS = 1.0
"""How long a start waits for the first answers before it goes on without."""

log = get_logger()


class DnsDirectory:
    """Services at names, such as `{"orders": "dns://orders:3003"}`. Enter it as an async context manager before use.

    For names with an address for each instance, as headless services in Kubernetes and the services of
    Docker Compose have them. Entering waits for the first answers, but a second at most. While the resolver is
    away, or says that there is nobody, the last good list stays: callers find out by themselves who does not
    answer. Of a name with addresses of both families only those of the resolver's first choice count, or an
    instance with two would be asked twice as often. ValueError says what is wrong with a URL.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        resolve: Resolve = resolve,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._names = {service: _Name(service, url) for service, url in urls.items()}
        self._resolve = resolve
        self._clock = clock or SystemClock()
        self._chance = chance or random.Random()  # noqa: S311 - jitter is no secret
        self._unanswered = set(self._names.values())
        self._all_answered = asyncio.Event()
        self._following: list[asyncio.Task[None]] = []

    def instances(self, service: str) -> Sequence[ServiceInstance]:
        name = self._names.get(service)
        return () if name is None else name.instances

    def __contains__(self, service: str) -> bool:
        return service in self._names

    async def __aenter__(self) -> Self:
        self._following = [
            asyncio.create_task(self._follow(name), name=f"follow {name.host}", context=contextvars.Context())
            for name in self._names.values()
        ]
        if self._following:
            await wait_at_most(FIRST_ANSWER_SECONDS, self._all_answered, self._clock)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)

    async def _follow(self, name: "_Name") -> None:
        while True:
            await self._ask(name)
            await self._clock.sleep(INTERVAL * self._chance.uniform(0.8, 1.2))

    async def _ask(self, name: "_Name") -> None:
        try:
            name.learn(await self._resolve(name.host))
        except CannotResolve as error:
            name.note_silence(error)
        else:
            self._unanswered.discard(name)
            if not self._unanswered:
                self._all_answered.set()

    def __repr__(self) -> str:
        return f"DnsDirectory({', '.join(f'{name!r}' for name in self._names.values())})"


class _Name:
    """One name, and whom it was last known to stand for."""

    def __init__(self, service: str, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "dns" or not parts.hostname or parts.port is None or parts.path.strip("/") or parts.query:
            raise ValueError(f"{url!r} is not a name of services; write dns://host:port")
        self.host = parts.hostname
        self.instances: tuple[ServiceInstance, ...] = ()
        self._service = service
        self._port = parts.port
        self._silent = False

    def learn(self, addresses: Sequence[str]) -> None:
        """These are all there are now."""
        instances = tuple(self._instance_at(address) for address in sorted(_of_one_family(addresses)))
        if instances != self.instances:
            log.info("addresses changed", service=self._service, host=self.host, instances=len(instances))
            self.instances = instances
        self._silent = False

    def note_silence(self, error: CannotResolve) -> None:
        """Nobody is known now; who was stays."""
        if not self._silent:
            log.warning("name cannot be resolved, the last addresses stay", host=self.host, error=str(error))
        self._silent = True

    def _instance_at(self, address: str) -> ServiceInstance:
        instance = ServiceInstance(id="", name=self._service, host=address, port=self._port)
        return ServiceInstance(id=instance.url, name=self._service, host=address, port=self._port)

    def __repr__(self) -> str:
        return f"{self._service} at {self.host}: {len(self.instances)}"


def _of_one_family(addresses: Sequence[str]) -> list[str]:
    families = [ipaddress.ip_address(address).version for address in addresses]
    return [address for address, family in zip(addresses, families, strict=True) if family == families[0]]
