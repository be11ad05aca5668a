"""The processes of one run: each service's present one."""

import asyncio
from collections.abc import Iterable, Mapping

from atoll.runner.doors import Doors
from atoll.runner.environment import Surroundings
from atoll.runner.forking.forks import Forks
from atoll.runner.probe import ask
from atoll.runner.service_process import Ended, ProcessEvent, ServiceProcess, Tell
from atoll.runner.system_file import ServiceSpec

_HEALTH_POLL = 0.05


class Processes:
    """Starts, signals and ends the processes of `specs`; what happens to them is told in order."""

    def __init__(self, specs: Mapping[str, ServiceSpec], surroundings: Surroundings, tell: Tell) -> None:
        self._specs = specs
        self._surroundings = surroundings
        self._ports = surroundings.ports
        self._told = tell
        self._forks = Forks()
        self._doors = Doors(surroundings.ports)
        self._present: dict[str, ServiceProcess] = {}
        self._polls: dict[str, asyncio.Task[None]] = {}

    async def load(self, names: Iterable[str]) -> None:
        """Start a held process for each service: it loads its program while others start."""
        for name in names:
            spec = self._specs[name]
            if spec.command:
                self._ports.choose_free(name)
            self._present[name] = await ServiceProcess.load(
                name,
                "module" if spec.module else "command",
                self._program(name),
                self._tell,
                start=self._forks.start,
                door=self._doors.of(name, spec),
            )

    async def start(self, name: str) -> None:
        """Let the held process of the service run, or a new one when there is none."""
        if name not in self._present or not self._present[name].is_held:
            await self.load([name])
        process = self._present[name]
        process.go(self._surroundings.of_service(name))
        if self._specs[name].health:
            self._polls[name] = asyncio.create_task(self._poll_health(process))

    def terminate(self, name: str) -> None:
        """Ask the service's process to stop for good."""
        self._doors.shut(name)
        self._present[name].terminate()

    def kill(self, name: str) -> None:
        self._present[name].kill()

    def of(self, name: str) -> ServiceProcess | None:
        """The present process of the service; None when it has none that lives."""
        process = self._present.get(name)
        return None if process is None or process.gone.is_set() else process

    async def end_all(self) -> None:
        """Kill what still runs, and return when the last process is gone."""
        for process in self._present.values():
            process.kill()
        for process in self._present.values():
            await process.gone.wait()
        await self._forks.close()
        self._doors.shut_all()

    def _tell(self, event: ProcessEvent) -> None:
        name = event.process.name
        if isinstance(event, Ended) and name in self._polls:
            self._polls.pop(name).cancel()
        self._told(event)

    def _program(self, name: str) -> list[str]:
        spec = self._specs[name]
        return [spec.module] if spec.module else [self._filled_in(name, word) for word in spec.command]

    def _filled_in(self, name: str, text: str) -> str:
        for setting, port in self._ports.of(name).items():
            text = text.replace(f"{{{setting}}}", str(port))
        return text

    async def _poll_health(self, process: ServiceProcess) -> None:
        """Take a program that does not speak the supervisor line as ready once its health answers well."""
        url = self._filled_in(process.name, self._specs[process.name].health)
        while not (await ask(url)).is_good:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(_HEALTH_POLL)
        process.tell_ready({})
