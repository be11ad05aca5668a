"""The broker port, on one server."""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from types import TracebackType
from typing import Any, Self

from atoll.clock import Clock, SystemClock
from atoll.events.broker import Mark, Message
from atoll.events.valkey.answers import groups_in, run_id
from atoll.events.valkey.groups import is_missing, new_epoch
from atoll.events.valkey.keys import Keys
from atoll.events.valkey.server import CommandRefused, Server
from atoll.events.valkey.subscription import ValkeySubscription
from atoll.events.valkey.survey import GroupBacklog, survey
from atoll.events.valkey.trimming import Trimming

_PUBLISH = """
    local body = #KEYS
    for stream = 2, #KEYS do
        for _ = 1, tonumber(ARGV[stream - 1]) do
            redis.call('XADD', KEYS[stream], '*', 'event', ARGV[body])
            body = body + 1
        end
    end
    return {redis.call('GET', KEYS[1]), redis.call('INFO', 'server')}
"""
"""Adds to each stream as many bodies as its argument says, and answers with what a mark is made of.

One command for all messages: for redis-py a command costs as much as an event costs us on all the rest of its way.
"""


class ValkeyBroker:
    """`url` is `valkey://[user:password@]host[:port]`, `valkeys://…` for TLS, or `unix:///path`; `redis` will do too.

    Options of redis-py may follow, such as `?ssl_ca_certs=/etc/ca.pem`. ValueError says what is wrong with any other
    address. Systems that share a server differ in their `namespace`.
    """

    def __init__(self, url: str, *, namespace: str = "atoll", clock: Clock | None = None) -> None:
        self._server = Server(url)
        self._keys = Keys(namespace)
        self._clock = clock or SystemClock()
        self._trimming = Trimming(self._server, self._clock)

    def __repr__(self) -> str:
        return f"<ValkeyBroker {self._server!r}>"

    async def publish(self, messages: Sequence[Message]) -> Mark:
        by_topic: dict[str, list[bytes]] = {}
        for topic, body in messages:
            by_topic.setdefault(topic, []).append(body)
        bodies = {self._keys.stream(topic): some for topic, some in by_topic.items()}
        keys = (self._keys.epoch, *bodies)
        counts = [len(some) for some in bodies.values()]
        epoch, info = await self._server.run("EVAL", _PUBLISH, len(keys), *keys, *counts, *chain(*bodies.values()))
        await self._trimming.seen(bodies.keys())
        return await self._mark_of(epoch, info)

    async def mark(self) -> Mark:
        epoch, info = await self._server.run_all(self._asking_for_mark())
        return await self._mark_of(epoch, info)

    def subscribe(
        self, group: str, topics: Collection[str], *, consumer: str, stale_after: float = 30.0
    ) -> ValkeySubscription:
        return ValkeySubscription(
            self._server,
            self._keys,
            self._trimming,
            self._clock,
            group=group,
            topics=sorted(topics),
            consumer=consumer,
            stale_after=stale_after,
        )

    async def backlog(self, group: str, topics: Collection[str]) -> Mapping[str, int]:
        return {topic: await self._backlog(self._keys.stream(topic), group.encode()) for topic in topics}

    async def survey(self) -> list[GroupBacklog]:
        """How far behind each group is on each topic, whoever they are. Raises `BrokerUnavailable`."""
        return await survey(self._server, self._keys)

    async def check(self) -> None:
        await self._server.run("PING")

    async def __aenter__(self) -> Self:
        """Connects only when it is used: a broker that is away keeps no service from starting."""
        self._server.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._server.close()

    def _asking_for_mark(self) -> list[tuple[str | bytes, ...]]:
        return [("GET", self._keys.epoch), ("INFO", "server")]

    async def _mark_of(self, epoch: bytes | None, info: bytes) -> Mark:
        if epoch is None:
            await self._server.run("SET", self._keys.epoch, new_epoch(), "NX")
            epoch = await self._server.run("GET", self._keys.epoch)
        return Mark((epoch or b"").decode(), run_id(info))

    async def _backlog(self, stream: bytes, group: bytes) -> int:
        """All of the stream when there is no such group yet."""
        length: Any = await self._server.run("XLEN", stream)
        try:
            groups = {found.name: found for found in groups_in(await self._server.run("XINFO GROUPS", stream))}
        except CommandRefused as refusal:
            if not is_missing(refusal):
                raise
            return 0
        if group not in groups:
            return int(length)
        facts = groups[group]
        return facts.pending + (int(length) if facts.lag is None else facts.lag)
