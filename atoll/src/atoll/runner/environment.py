"""What a program of the system finds in its environment, over what the runner itself was given."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from atoll.runner.data_folder import DataFolder
from atoll.runner.databases import Databases
from atoll.runner.ports import PortPlan
from atoll.runner.system_file import REGISTRY_MODULE, CommandSpec, System

SERVICE_SECRET = "service_secret"  # noqa: S105 - a name, not a secret


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Makes the environments of one system's programs. `runs_here` are the services that this runner starts;
    `coloured` says that a terminal shows what they print (`NO_COLOR` in the environment still wins there).

    What the runner knows wins over its own environment, except for secrets: who names one means it. In
    production no secret is made up; the services say which they miss.
    """

    system: System
    ports: PortPlan
    folder: DataFolder
    log_format: str
    runs_here: frozenset[str]
    databases: Databases
    coloured: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def of_service(self, name: str) -> dict[str, str]:
        """For a process of the service `name` that is started now."""
        spec = self.system.services[name]
        listening = {setting.upper(): str(port) for setting, port in self.ports.of(name).items()}
        return {
            **self.for_work_of(name),
            "HOST": spec.host,
            **listening,
            "LOG_FORMAT": self.log_format,
            **({"CONSUMER": name} if spec.events else {}),
            **({"FORCE_COLOR": "1"} if self.coloured else {}),
        }

    def for_work_of(self, name: str) -> dict[str, str]:
        """For a program that does work of the service `name` beside it: its data and secrets, not its ports."""
        spec = self.system.services[name]
        database = self._database_url(name)
        return {
            "ATOLL_CONFIG": str(self.system.path),
            **self._registry_url(),
            **({"DATABASE_URL": database} if database else {}),
            **self._secrets((SERVICE_SECRET, *spec.secrets)),
            **spec.environment,
        }

    def of_command(self, command: CommandSpec) -> dict[str, str]:
        """For a command of the system: as its service's work, or with the address of everything that runs."""
        return {
            "ATOLL_CONFIG": str(self.system.path),
            **(self.for_work_of(command.service) if command.service else self._urls()),
            **{f"{in_capitals(name)}_DATABASE_URL": self._database_url(name) for name in command.databases},
            **self._secrets(command.secrets),
            **command.environment,
        }

    def _urls(self) -> dict[str, str]:
        """`GATEWAY_URL`, `USERS_URL` and so on."""
        return {f"{in_capitals(name)}_URL": url for name in self.system.services if (url := self.ports.url(name))}

    def _database_url(self, name: str) -> str:
        """Empty for a service without a database."""
        spec = self.system.services[name]
        if spec.database is True:
            return self.databases.url(self.system.service_of(name), self.ports)
        return spec.database or ""

    def _registry_url(self) -> dict[str, str]:
        registry = self.system.service_running(REGISTRY_MODULE)
        if registry is None or (registry not in self.runs_here and "REGISTRY_URL" in self.environ):
            return {}
        url = self.ports.url(registry)
        return {"REGISTRY_URL": url} if url else {}

    def _secrets(self, names: tuple[str, ...]) -> dict[str, str]:
        if self.system.is_production(self.environ):
            return {}
        return {name.upper(): self.folder.secret(name) for name in names if not self._is_given(name)}

    def _is_given(self, secret: str) -> bool:
        return any(self.environ.get(secret.upper() + suffix) for suffix in ("", "_FILE"))


def in_capitals(service: str) -> str:
    """How the names of a service's variables begin."""
    return service.upper().replace("-", "_")
