"""How each service of a running system is, as it tells itself."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from atoll.runner.probe import ask
from atoll.runner.running_system import RunningService, RunningSystem


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


def status_of(running: RunningSystem) -> list[ServiceStatus]:
    """Ask every service at once; takes as long as the slowest, about 4 s at worst."""
    with ThreadPoolExecutor(max_workers=max(1, len(running.services))) as asking:
        return list(asking.map(_status, running.services, running.services.values()))


def _status(name: str, service: RunningService) -> ServiceStatus:
    health = ask(f"{service.operations_url}/health") if service.operations_url else None
    readiness = ask(f"{service.operations_url}/ready") if health and health.is_good else None
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
