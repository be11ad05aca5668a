"""How each service of a running system is, as it tells itself."""

import asyncio
from typing import Any

import msgspec

from atoll.runner.probe import ask
from atoll.runner.running_system import RunningService, RunningSystem

PATIENCE = 3.0
"""Seconds for one answer; a service bounds its own checks by 2 s."""


class ServiceStatus(msgspec.Struct, frozen=True, rename="camel"):
    """One service: what the runner knows, and what `/health` and `/ready` say.

    `uptime` is in seconds and `memory` in bytes; None when the service does not answer. `checks` holds "up"
    or the reason for each thing that it needs.
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


async def status_of(running: RunningSystem) -> list[ServiceStatus]:
    """Ask every service at once; takes as long as the slowest, 3 s at worst."""
    return await asyncio.gather(*(_status(name, service) for name, service in running.services.items()))


async def _status(name: str, service: RunningService) -> ServiceStatus:
    url = service.operations_url
    health, readiness = (
        await asyncio.gather(ask(f"{url}/health", PATIENCE), ask(f"{url}/ready", PATIENCE)) if url else (None, None)
    )
    body = health.body if health else {}
    return ServiceStatus(
        name=name,
        state=service.state,
        pid=service.pid,
        port=service.ports.get("port", 0),
        url=service.url,
        restarts=service.restarts,
        healthy=bool(health and health.is_good),
        ready=bool(readiness and readiness.is_good),
        uptime=body.get("uptime"),
        memory=body.get("memory", {}).get("rss"),
        checks=_checks(readiness.body if readiness else {}),
    )


def _checks(readiness: dict[str, Any]) -> dict[str, str]:
    return {
        name: "up" if check.get("status") == "up" else check.get("detail", "down")
        for name, check in readiness.get("checks", {}).items()
    }
