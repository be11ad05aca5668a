"""Where the services of a system keep what they own: files in the data folder, a server in it, or servers elsewhere.

What was chosen is remembered in the data folder, so that the same data is found again without saying so.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from atoll.runner.data_folder import DataFolder
from atoll.runner.ports import PortPlan
from atoll.runner.system_file import ServiceSpec, System

FILES = "sqlite"
EMBEDDED = "postgresql"

SERVER = "postgres"
"""The name of the embedded server among the services."""

SERVER_PORT = "postgres_port"
SERVER_SECRET = "postgres_password"  # noqa: S105 - a name, not a secret


class CannotKeepData(Exception):
    """The databases cannot be had as asked; the message says why and what to do."""


class Databases(Protocol):
    """One way to keep data."""

    def part_of(self, system: System) -> System:
        """The system with what the databases need beside its own services; raises `CannotKeepData`."""

    def url(self, service: str, ports: PortPlan) -> str:
        """The database of a service's own."""

    def at_hand(self, system: System, ports: PortPlan) -> contextlib.AbstractContextManager[bool]:
        """Within, the databases answer, although the system may not run; True when they do so only within.

        Raises `CannotKeepData` when that cannot be had.
        """

    def stopped(self, system: System, ports: PortPlan) -> contextlib.AbstractContextManager[None]:
        """Within, the databases answer and the system does not run; raises `DataFolderInUse` when it does."""


def databases_of(folder: DataFolder, choice: str = "") -> Databases:
    """What `choice` means, or what was chosen for the folder before: `sqlite`, if nothing.

    `postgresql` is the embedded server; a URL is that of servers elsewhere, in which `{service}` stands for the name
    of each service. Raises `CannotKeepData` for anything else.
    """
    choice = choice or folder.chosen_database or FILES
    if choice == FILES:
        return Files(folder)
    if choice == EMBEDDED:
        return EmbeddedServer(folder)
    return Elsewhere(folder, choice)


class Files:
    """A SQLite file for each service, in the data folder."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder

    def part_of(self, system: System) -> System:
        return system

    def url(self, service: str, ports: PortPlan) -> str:
        return self._folder.database_url(service)

    def at_hand(self, system: System, ports: PortPlan) -> contextlib.AbstractContextManager[bool]:
        return contextlib.nullcontext(False)

    def stopped(self, system: System, ports: PortPlan) -> contextlib.AbstractContextManager[None]:
        return self._folder.locked()


class Elsewhere:
    """A database for each service on servers that others run."""

    def __init__(self, folder: DataFolder, template: str) -> None:
        if not template.startswith(("postgresql://", "postgres://")):
            raise CannotKeepData(
                f"{template!r} is no place for data; there are sqlite, postgresql, and URLs such as "
                "postgresql://user:password@host/{service}."
            )
        if "{service}" not in template:
            raise CannotKeepData("The URL of the databases needs {service} in it: each service has one of its own.")
        self._folder = folder
        self._template = template

    def part_of(self, system: System) -> System:
        return system

    def url(self, service: str, ports: PortPlan) -> str:
        return self._template.replace("{service}", service)

    def at_hand(self, system: System, ports: PortPlan) -> contextlib.AbstractContextManager[bool]:
        return contextlib.nullcontext(False)

    def stopped(self, system: System, ports: PortPlan) -> contextlib.AbstractContextManager[None]:
        return self._folder.locked()


class EmbeddedServer:
    """A PostgreSQL server of the system's own, with its data in the data folder, that starts first and stops last."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder

    def part_of(self, system: System) -> System:
        from atoll.lifecycle.errors import StartFailed
        from atoll.runner.embedded_postgres.binaries import binaries

        if system.is_production(os.environ):
            raise CannotKeepData(
                "The embedded server is for development; in production name your own: "
                "--database postgresql://user:password@host/{service}"
            )
        if SERVER in system.services:
            raise CannotKeepData(f"{SERVER} is a service of its own in {system.path}; the server needs that name.")
        try:
            binaries()
        except StartFailed as missing:
            raise CannotKeepData(str(missing)) from missing
        return self._with_server(system)

    def url(self, service: str, ports: PortPlan) -> str:
        from atoll.runner.embedded_postgres.passwords import url_of
        from atoll.runner.embedded_postgres.way_in import host_for

        secret, port = self._folder.secret(SERVER_SECRET), ports.of(SERVER)[SERVER_PORT]
        return url_of(service, secret, port, host=host_for(self._data_of_server))

    @contextlib.contextmanager
    def at_hand(self, system: System, ports: PortPlan) -> Iterator[bool]:
        running = self._folder.running()
        if running is not None and SERVER in running.services:
            yield False
            return
        with self.stopped(system, ports):
            yield True

    @contextlib.contextmanager
    def stopped(self, system: System, ports: PortPlan) -> Iterator[None]:
        from atoll.runner.embedded_postgres.beside import ServerFailed, server_beside

        try:
            with self._folder.locked(), server_beside(system.services[SERVER].environment) as server:
                ports.bound(SERVER, server.ports)
                yield
        except ServerFailed as reason:
            raise CannotKeepData(str(reason)) from reason

    @property
    def _data_of_server(self) -> Path:
        return self._folder.path / "postgres"

    def _with_server(self, system: System) -> System:
        owners = [name for name, spec in system.services.items() if spec.database is True]
        server = ServiceSpec(
            module="atoll.runner.embedded_postgres",
            port=3030,
            ports={SERVER_PORT: 3032},
            environment=self._environment([name for name in owners if name not in system.copies]),
        )
        services = {
            name: msgspec.structs.replace(spec, needs=(SERVER, *spec.needs)) if name in owners else spec
            for name, spec in system.services.items()
        }
        return msgspec.structs.replace(system, services={SERVER: server, **services})

    def _environment(self, owners: list[str]) -> dict[str, str]:
        return {
            "POSTGRES_FOLDER": str(self._data_of_server),
            "POSTGRES_PASSWORD": self._folder.secret(SERVER_SECRET),
            "DATABASES": ",".join(owners),
            "REGISTRY_URL": "",  # nobody looks for it there
        }
