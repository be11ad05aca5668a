"""A second instance of a service for the moment in which its only one is restarted.

It runs beside the system, not under its runner: with the same data and secrets, on free ports, listed in the
registry, and gone again when the moment is over. Two processes on one SQLite file are safe on one machine: each
writes under the file's own lock, as `atoll up --scale` has it too.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from atoll.runner import brokers, databases
from atoll.runner.brokers import CannotCarryEvents
from atoll.runner.data_folder import DataFolder
from atoll.runner.databases import CannotKeepData
from atoll.runner.environment import Surroundings
from atoll.runner.ports import PortPlan, ports_of
from atoll.runner.probe import ask
from atoll.runner.running_system import RunningSystem
from atoll.runner.scaling import CannotScale, scaled
from atoll.runner.service_process import Ended, ProcessEvent, Ready, ServiceProcess
from atoll.runner.system_file import GATEWAY_MODULE, REGISTRY_MODULE, System, SystemFileInvalid, read_system

READY_WITHIN = 30.0
"""Seconds that it has to be listed; a service has as many to start."""

GONE_WITHIN = 35.0
"""Seconds that it has to finish what it was asked; a service gives requests in hand 25."""

_LOOK_EVERY = 0.05


class NobodyToStandIn(Exception):
    """There can be no second instance; the message says why."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """A second instance of `service`, listed in the registry."""

    service: str
    pid: int
    registry_url: str

    async def until_relieved(self, port: int) -> None:
        """Return when the instance at `port` is listed as well, or cannot be waited for any longer."""
        with suppress(NobodyToStandIn):
            await _until_listed(self.registry_url, self.service, port)


@asynccontextmanager
async def standing_in(folder: DataFolder, running: RunningSystem, service: str) -> AsyncIterator[StandIn]:
    """Within, another instance of `service` is listed. Raises `NobodyToStandIn`."""
    surroundings, name = _surroundings(folder, running, service)
    registry = surroundings.ports.url(surroundings.system.service_running(REGISTRY_MODULE) or "")
    spec = surroundings.system.services[name]
    happened: asyncio.Queue[ProcessEvent] = asyncio.Queue()
    process = await ServiceProcess.load(name, "module", [spec.module], happened.put_nowait)
    try:
        process.go(surroundings.of_service(name))
        ports = await _ready(process, happened)
        await _until_listed(registry, service, ports["port"])
        yield StandIn(service, process.pid, registry)
    finally:
        await _end(process)


async def _ready(process: ServiceProcess, happened: "asyncio.Queue[ProcessEvent]") -> dict[str, int]:
    """The ports that it has bound."""
    try:
        async with asyncio.timeout(READY_WITHIN):
            while True:
                match await happened.get():
                    case Ready(_, ports):
                        return dict(ports)
                    case Ended(_, reason, own_reason):
                        said = own_reason or next(reversed(process.last_lines), "")
                        raise NobodyToStandIn(f"{process.name} {reason}: {said}")
                    case _:
                        continue
    except TimeoutError:
        raise NobodyToStandIn(f"{process.name} was not ready after {READY_WITHIN:g} s") from None


async def _until_listed(registry: str, service: str, port: int) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN):
            while not await _is_listed(registry, service, port):  # noqa: ASYNC110 - another process
                await asyncio.sleep(_LOOK_EVERY)
    except TimeoutError:
        raise NobodyToStandIn(f"the registry did not list a second {service}") from None


async def _is_listed(registry: str, service: str, port: int) -> bool:
    """Whether the registry lists the instance of `service` at that port."""
    found = (await ask(f"{registry}/services/{service}")).body.get("items", [])
    return any(one.get("port") == port and one.get("status") == "UP" for one in found)


async def _end(process: ServiceProcess) -> None:
    process.terminate()
    try:
        async with asyncio.timeout(GONE_WITHIN):
            await process.gone.wait()
    finally:
        process.kill()


def _surroundings(folder: DataFolder, running: RunningSystem, service: str) -> tuple[Surroundings, str]:
    """What a second instance finds around it, and its name."""
    try:
        system = _system(folder, running, service)
    except (SystemFileInvalid, CannotScale, CannotKeepData, CannotCarryEvents) as error:
        sentence = str(error)
        raise NobodyToStandIn(sentence[:1].lower() + sentence[1:]) from error
    spec = system.services[service]
    if not spec.module or system.service_running(REGISTRY_MODULE) not in running.services:
        raise NobodyToStandIn("it is found at one address, and not through the registry")
    ports: PortPlan = ports_of(system, running)
    surroundings = Surroundings(
        system,
        ports,
        folder,
        log_format="auto",
        runs_here=frozenset(system.services),
        databases=databases.databases_of(folder),
    )
    return surroundings, f"{service}-2"


def _system(folder: DataFolder, running: RunningSystem, service: str) -> System:
    written = read_system(Path(running.file))
    if service not in written.services:
        raise NobodyToStandIn("it keeps data that one process alone may touch")
    if written.services[service].module == GATEWAY_MODULE:
        raise NobodyToStandIn("whoever connects meanwhile waits at its door")
    system = databases.databases_of(folder).part_of(written)
    if brokers.SERVER in running.services:
        system = brokers.with_broker(system, folder)
    return scaled(system, {service: 2})
