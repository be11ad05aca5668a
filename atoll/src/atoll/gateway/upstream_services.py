"""Where requests can go: the services of the routing table, their instances, and what may be repeated there."""

import asyncio
import random
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import NoReturn, Protocol, Self

from atoll.calls.rechecks import Rechecks
from atoll.calls.upstreams import Upstream, Upstreams
from atoll.clock import Clock
from atoll.discovery.directory import Directory
from atoll.gateway.rewriting import PassedOn
from atoll.problems import Unavailable
from atoll.resilience.circuit_breaker import Permit
from atoll.resilience.retry_budget import RetryBudget

CONNECT_TIMEOUT = 1.0


class SlowReader(Protocol):
    """An answer whose client reads more slowly than it comes."""

    def cut_slow_reader(self) -> None:
        """End it, and give its connection back."""


class UpstreamService:
    """One service: its instances with their breakers, the budget of its retries, and looks at those left out.

    The parts are those of `atoll.calls`, with their defaults; the gateway's own is only when they are told what.
    """

    def __init__(
        self, name: str, directory: Directory, *, max_connections: int, clock: Clock, chance: random.Random
    ) -> None:
        self.name = name
        self.name_in_answers = name.encode("ascii")
        """What its answers say in `Atoll-Service`."""
        self.passed_on = PassedOn(self.name_in_answers)
        """What of its answers the clients get."""
        self.retries = 0
        """Attempts after the first so far; never goes back."""
        self.retry_budget = RetryBudget(clock=clock)
        self._senders = 0
        self._slow_readers: dict[SlowReader, None] = {}
        """Who holds a connection because of a client that does not read, the first first."""
        self.upstreams = Upstreams(
            name,
            directory,
            connect_timeout=CONNECT_TIMEOUT,
            max_connections=max_connections,
            clock=clock,
            chance=chance,
        )
        self._rechecks = Rechecks(self.upstreams, clock, chance)

    def __repr__(self) -> str:
        return f"<UpstreamService {self.upstreams!r}, {self.retry_budget!r}>"

    def nobody(self) -> NoReturn:
        """Raise the `Unavailable` that says why no instance can be asked."""
        if self.upstreams.current():
            raise Unavailable(f"The {self.name} service fails at the moment, and is given a rest.")
        raise Unavailable(f"No instance of the {self.name} service is known.")

    def failed(self, upstream: Upstream, permit: Permit, seconds: float, *, penalty: float) -> None:
        """An attempt failed through the instance's fault; it may be left out for that."""
        upstream.failed(permit, seconds, penalty=penalty)
        self._rechecks.look()

    def lose(self, upstream: Upstream) -> None:
        """Another service answers at the instance's address: ask it no more until it is found there again."""
        self.upstreams.lose(upstream)

    def take_sender(self) -> bool:
        """Whether one more request may be sent whose body is still coming: they get half of all connections at most."""
        most = self._most_connections()
        if most and 2 * self._senders >= most:
            return False
        self._senders += 1
        return True

    def give_sender_back(self) -> None:
        """The body of a request for which `take_sender` said yes is whole, or will never be."""
        self._senders -= 1

    def hold(self, reader: SlowReader) -> None:
        """A connection is held by an answer that its client does not read. They get half of all connections at most:
        the one that has been held for longest is cut for one more."""
        self._slow_readers[reader] = None
        if 2 * len(self._slow_readers) > max(2, self._most_connections()):
            first = next(iter(self._slow_readers))
            del self._slow_readers[first]
            first.cut_slow_reader()

    def let_go(self, reader: SlowReader) -> None:
        """It is held no more."""
        self._slow_readers.pop(reader, None)

    def _most_connections(self) -> int:
        return sum(each.pool.max_connections for each in self.upstreams.current())

    async def check(self) -> None:
        """Return when the service could be asked, raise `Unavailable` when not. For readiness."""
        if not self.upstreams.permitted():
            self.nobody()

    async def close(self) -> None:
        """Close every connection."""
        await self._rechecks.close()
        await self.upstreams.close()


class UpstreamServices(Mapping[str, UpstreamService]):
    """Services by their names. Leaving it as an async context manager closes every connection."""

    def __init__(
        self,
        services: Iterable[str],
        directory: Directory,
        *,
        max_connections: int,
        clock: Clock,
        chance: random.Random | None = None,
    ) -> None:
        self._directory = directory
        self._max_connections = max_connections
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - balancing and jitter are no secret
        self._services: dict[str, UpstreamService] = {}
        self.add(services)

    def add(self, names: Iterable[str]) -> None:
        """Have these services too; those that are there stay as they are."""
        for name in names:
            if name not in self._services:
                self._services[name] = UpstreamService(
                    name,
                    self._directory,
                    max_connections=self._max_connections,
                    clock=self._clock,
                    chance=self._chance,
                )

    def __getitem__(self, name: str) -> UpstreamService:
        return self._services[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(each.close() for each in self._services.values()))
