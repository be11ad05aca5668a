"""How each service of a running system is, as it tells itself."""

import asyncio
from typing import TypeVar

import msgspec

from atoll.runner.calls_status import CallsStatus, calls_in
from atoll.runner.probe import Answer, ask
from atoll.runner.running_system import RunningService, RunningSystem

T = TypeVar("T")

PATIENCE = 3.0
"""Seconds for one answer; a service bounds its own checks by 2 s."""


class ServiceStatus(msgspec.Struct, frozen=True, rename="camel"):
    """One service: what the runner knows, and what `/health` and `/ready` say.

    `uptime` is in seconds and `memory` in bytes; None when the service does not answer. `checks` holds "up"
    or the reason for each thing that it needs, `calls` how its calls to other services go.
    """

    name: str
    state: str
    pid: int
    port: int
    url: str
    restarts: int
    healthy: bool
    ready: bool
    uptime: float | None
    memory: int | None
    checks: dict[str, str]
    calls: list[CallsStatus] = []


class _Memory(msgspec.Struct):
    rss: int | None = None


class _Health(msgspec.Struct):
    uptime: float | None = None
    memory: _Memory = msgspec.field(default_factory=_Memory)


class _Check(msgspec.Struct):
    status: str = ""
    detail: str = "down"


class _Readiness(msgspec.Struct):
    checks: dict[str, _Check] = {}


async def status_of(running: RunningSystem) -> list[ServiceStatus]:
    """Ask every service at once; takes as long as the slowest, 3 s at worst."""
    return await asyncio.gather(*(_status(name, service) for name, service in running.services.items()))


async def _status(name: str, service: RunningService) -> ServiceStatus:
    health, readiness, metrics = await _asked(service.operations_url)
    told = _as(_Health, health)
    return ServiceStatus(
        name=name,
        state=service.state,
        pid=service.pid,
        port=service.ports.get("port", 0),
        url=service.url,
        restarts=service.restarts,
        healthy=health.is_good,
        ready=readiness.is_good,
        uptime=told.uptime,
        memory=told.memory.rss,
        checks={
            name: "up" if check.status == "up" else check.detail
            for name, check in _as(_Readiness, readiness).checks.items()
        },
        calls=calls_in(metrics.text),
    )


async def _asked(url: str) -> tuple[Answer, Answer, Answer]:
    """What a service says of its health, its readiness and its numbers; nothing when it has no address yet."""
    if not url:
        return Answer(0, {}), Answer(0, {}), Answer(0, {})
    return await asyncio.gather(
        ask(f"{url}/health", PATIENCE), ask(f"{url}/ready", PATIENCE), ask(f"{url}/metrics", PATIENCE)
    )


def _as(what: type[T], answer: Answer) -> T:
    """What a service says; nothing of it when a foreign program says it in a way of its own."""
    try:
        return msgspec.convert(answer.body, what)
    except msgspec.ValidationError:
        return what()
