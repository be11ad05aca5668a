"""The events of a system, for those who look at them or set them right: where each service keeps its own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atoll.runner import brokers
from atoll.runner.data_folder import DataFolder
from atoll.runner.databases import Databases, databases_of
from atoll.runner.mistakes import did_you_mean
from atoll.runner.ports import PortPlan, ports_of
from atoll.runner.running_system import RunningSystem
from atoll.runner.system_file import ServiceSpec, System, find_system_file, read_system


class NoEvents(Exception):
    """There are no events where somebody looks for them; the message says why."""


@dataclass(frozen=True, slots=True)
class SystemEvents:
    """`databases` are those of the services with events, by their names. `broker_url` is None when there is no broker
    to be asked, and `no_broker` says why."""

    databases: Mapping[str, str]
    broker_url: str | None
    no_broker: str
    folder: DataFolder

    @property
    def runs(self) -> bool:
        """Whether the system runs now."""
        return self.folder.is_locked() and self.folder.running() is not None

    def only(self, service: str) -> Mapping[str, str]:
        """The database of that service, or all when it is empty; `NoEvents` for one that has none."""
        if not service:
            return self.databases
        if service not in self.databases:
            raise NoEvents(
                f"{service!r} is no service with events; there are {', '.join(self.databases)}."
                f"{did_you_mean(service, self.databases)}"
            )
        return {service: self.databases[service]}


@contextmanager
def events_of_system(folder: DataFolder, file: Path | None) -> Iterator[SystemEvents]:
    """The events of the system that runs on `folder`, or ran there; within, its databases answer.

    Raises `NoEvents`, `SystemFileInvalid`, `CannotKeepData` and `DataFolderInUse`.
    """
    running = folder.running()
    databases = databases_of(folder)
    path = file or (Path(running.file) if running else find_system_file(Path.cwd()))
    system = databases.part_of(read_system(path))
    keepers = {name: spec for name, spec in system.services.items() if spec.events and spec.database}
    if not keepers:
        raise NoEvents(f"No service of {path} has events: [services.NAME] events = true, and a database.")
    ports = ports_of(system, running)
    with databases.at_hand(system, ports):
        broker_url, no_broker = _broker(system, folder, running)
        yield SystemEvents(
            databases={name: _database_url(name, spec, databases, ports) for name, spec in keepers.items()},
            broker_url=broker_url,
            no_broker=no_broker,
            folder=folder,
        )


def _database_url(name: str, spec: ServiceSpec, databases: Databases, ports: PortPlan) -> str:
    return databases.url(name, ports) if spec.database is True else str(spec.database)


def _broker(system: System, folder: DataFolder, running: RunningSystem | None) -> tuple[str | None, str]:
    """Its address, or why there is none."""
    if given := brokers.given_url(system, os.environ):
        return given, ""
    if running is None:
        return None, "The system does not run, and neither does its broker."
    if brokers.SERVER in running.services:
        return brokers.embedded_url(folder), ""
    return None, "The system was started with a broker of yours: give its address in VALKEY_URL here too."
