"""The events of a system, for those who look at them or set them right: where each service keeps its own.

On this machine the data folder tells. Of a system that runs elsewhere, in containers say, the environment does:
`ORDERS_DATABASE_URL` and so on, and `VALKEY_URL`, or `…_FILE` for each.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atoll.runner import brokers
from atoll.runner.data_folder import DataFolder
from atoll.runner.databases import Databases, databases_of
from atoll.runner.environment import in_capitals
from atoll.runner.given import given
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
    folder: DataFolder | None
    """None for a system that runs elsewhere."""

    @property
    def runs(self) -> bool:
        """Whether the system runs now, as far as can be seen from here."""
        return self.folder is None or (self.folder.is_locked() and self.folder.running() is not None)

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
def events_of_system(
    folder: DataFolder, file: Path | None, environ: Mapping[str, str] = os.environ
) -> Iterator[SystemEvents]:
    """The events of the system that runs on `folder`, or ran there, or of the one elsewhere that `environ` names.

    Within, its databases answer. Raises `NoEvents`, `SystemFileInvalid`, `CannotKeepData`, `DataFolderUnusable` and
    `CannotBeRead`.
    """
    running = folder.running()
    path = file or (Path(running.file) if running else find_system_file(Path.cwd()))
    system = read_system(path)
    keepers = {name: spec for name, spec in system.services.items() if spec.events and spec.database}
    if not keepers:
        raise NoEvents(f"No service of {path} has events: [services.NAME] events = true, and a database.")
    if named := _named(keepers, environ):
        url = brokers.given_url(system, environ)
        yield SystemEvents(named, url, "" if url else "Give its address in VALKEY_URL.", folder=None)
        return
    databases = databases_of(folder)
    system = databases.part_of(system)
    ports = ports_of(system, running)
    with databases.at_hand(system, ports):
        broker_url, no_broker = _broker(system, folder, running, environ)
        urls = {name: _database_url(name, spec, databases, ports) for name, spec in keepers.items()}
        yield SystemEvents(urls, broker_url, no_broker, folder)


def _named(services: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The databases that the environment names."""
    found = {name: given(f"{in_capitals(name)}_DATABASE_URL", environ) for name in services}
    return {name: url for name, url in found.items() if url}


def _database_url(name: str, spec: ServiceSpec, databases: Databases, ports: PortPlan) -> str:
    return databases.url(name, ports) if spec.database is True else str(spec.database)


def _broker(
    system: System, folder: DataFolder, running: RunningSystem | None, environ: Mapping[str, str]
) -> tuple[str | None, str]:
    """Its address, or why there is none."""
    if url := brokers.given_url(system, environ):
        return url, ""
    if running is None:
        return None, "The system does not run, and neither does its broker."
    if brokers.SERVER in running.services:
        return brokers.embedded_url(folder), ""
    return None, "The system was started with a broker of yours: give its address in VALKEY_URL here too."
