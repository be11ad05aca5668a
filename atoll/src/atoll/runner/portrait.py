"""What a running system looks like now: as rows for the viewer, and as the note for other commands."""

import os
from datetime import datetime, timedelta

from atoll.clock import Clock
from atoll.runner.ports import PortPlan
from atoll.runner.process_memory import resident_memory
from atoll.runner.processes import Processes
from atoll.runner.running_system import RunningService, RunningSystem
from atoll.runner.supervision import Supervised, Supervision
from atoll.runner.system_file import System
from atoll.runner.view import ServiceRow


class Portrait:
    """Drawn from the supervision, the processes and the ports, whenever it is asked for."""

    def __init__(
        self, system: System, supervision: Supervision, processes: Processes, ports: PortPlan, clock: Clock
    ) -> None:
        self._system = system
        self._supervision = supervision
        self._processes = processes
        self._ports = ports
        self._clock = clock
        self._started_at = clock.now()

    def rows(self) -> list[ServiceRow]:
        return [self._row(name, service) for name, service in self._supervision.services.items()]

    def note(self) -> RunningSystem:
        return RunningSystem(
            name=self._system.name,
            file=str(self._system.path),
            runner_pid=os.getpid(),
            started_at=self._started_at,
            services={name: self._noted(name, service) for name, service in self._supervision.services.items()},
        )

    def _row(self, name: str, service: Supervised) -> ServiceRow:
        pid = self._pid(name)
        return ServiceRow(
            name=name,
            state=service.state,
            port=self._ports.of(name)["port"],
            pid=pid,
            uptime=self._seconds_up(service),
            restarts=service.restarts,
            memory=resident_memory(pid) if pid else None,
        )

    def _noted(self, name: str, service: Supervised) -> RunningService:
        return RunningService(
            state=service.state,
            pid=self._pid(name),
            ports=dict(self._ports.of(name)),
            url=self._ports.url(name),
            operations_url=self._ports.operations_url(name),
            restarts=service.restarts,
            up_since=self._moment(service),
        )

    def _pid(self, name: str) -> int:
        process = self._processes.of(name)
        return process.pid if process else 0

    def _seconds_up(self, service: Supervised) -> float | None:
        return None if service.up_since is None else self._clock.monotonic() - service.up_since

    def _moment(self, service: Supervised) -> datetime | None:
        seconds = self._seconds_up(service)
        return None if seconds is None else self._clock.now() - timedelta(seconds=seconds)
