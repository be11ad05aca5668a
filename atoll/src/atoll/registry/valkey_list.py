"""The shared list of a registry's replicas, in Valkey."""

from types import TracebackType
from typing import Self

import msgspec

from atoll import wire
from atoll.events.broker import BrokerUnavailable
from atoll.events.valkey.server import Command, Server
from atoll.problems import Problem
from atoll.registry.shared_list import Changes, SharedLease, SharedState
from atoll.registry.sharing import ListUnavailable

KEY = "atoll:registry"
"""One hash: the epoch, and each instance by its id. One, so that nobody sees it half wiped."""

_EPOCH = "epoch"


class ValkeyList:
    """The hash at `url` (`valkey://host:port` and its like); enter it before use. ValueError: another kind of URL."""

    def __init__(self, url: str) -> None:
        self._server = Server(url)

    async def read(self) -> SharedState:
        """All of it, as of one moment; raises `ListUnavailable`."""
        try:
            flat: list[bytes] = await self._server.run("HGETALL", KEY)
        except BrokerUnavailable as error:
            raise ListUnavailable(str(error)) from error
        fields = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
        epoch = fields.pop(_EPOCH, None)
        read = (_read(value) for value in fields.values())
        return SharedState(None if epoch is None else epoch.decode(), {lease.id: lease for lease in read if lease})

    async def write(self, epoch: str, changes: Changes) -> None:
        """Make the changes, and `epoch` the list's own if it has none; raises `ListUnavailable`."""
        commands: list[Command] = [("HSETNX", KEY, _EPOCH, epoch)]
        commands += [("HSET", KEY, lease.id, wire.encode(lease)) for lease in changes.put]
        if changes.remove:
            commands.append(("HDEL", KEY, *changes.remove))
        try:
            await self._server.run_all(commands)
        except BrokerUnavailable as error:
            raise ListUnavailable(str(error)) from error

    async def __aenter__(self) -> Self:
        self._server.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.close()

    def __repr__(self) -> str:
        return f"<ValkeyList {self._server!r}>"


def _read(value: bytes) -> SharedLease | None:
    """A lease as it was written; None when another version of the registry wrote something else."""
    try:
        return wire.decoder(SharedLease).decode(value)
    except (Problem, msgspec.MsgspecError):
        return None
