"""`atoll up`: everything between the words of the command line and a run of the system."""

import asyncio
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from atoll.runner import brokers
from atoll.runner import databases as database_servers
from atoll.runner.brokers import with_broker
from atoll.runner.data_folder import DataFolder
from atoll.runner.databases import databases_of
from atoll.runner.environment import Surroundings
from atoll.runner.mistakes import did_you_mean
from atoll.runner.narrator import taken_ports_message
from atoll.runner.ports import PortPlan
from atoll.runner.scaling import scaled
from atoll.runner.system_file import System, read_system
from atoll.runner.system_run import SystemRun
from atoll.runner.view import LogFormat, View

LAST_PORT = 65535

SERVERS = (database_servers.SERVER, brokers.SERVER)
"""Embedded servers: who is asked for brings along those that it needs."""


class CannotRun(Exception):
    """The system cannot be started as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `atoll up` was asked for. An empty `only` means every service; `port_base` None, the file's ports.

    `scale` has the number of instances of services that shall have more than one. `database` is a choice of
    `atoll.runner.databases`, empty for the one that the data folder remembers.
    """

    file: Path
    data: Path
    only: Collection[str] = ()
    port_base: int | None = None
    log_format: LogFormat = "auto"
    scale: Mapping[str, int] = field(default_factory=dict)
    database: str = ""


def up(options: UpOptions, *, began: float) -> int:
    """Run the system until it stops; return the exit code. `began` is the monotonic moment of the command.

    Raises SystemFileInvalid, CannotScale, CannotKeepData, CannotCarryEvents, DataFolderUnusable or CannotRun before
    anything is started.
    """
    folder = DataFolder(options.data)
    databases = databases_of(folder, options.database)
    system = with_broker(databases.part_of(scaled(read_system(options.file), options.scale)), folder)
    chosen = _chosen(system, options.only)
    ports = _planned_ports(system, options.port_base)
    with folder.locked():
        if taken := ports.taken(chosen):
            raise CannotRun(taken_ports_message(taken))
        if options.database:
            folder.remember_database(options.database)
        surroundings = Surroundings(
            system,
            ports,
            folder,
            log_format=_log_format_of_services(options),
            runs_here=frozenset(chosen),
            databases=databases,
            coloured=sys.stdout.isatty(),
        )
        return asyncio.run(_run(system, surroundings, options, began))


async def _run(system: System, surroundings: Surroundings, options: UpOptions, began: float) -> int:
    """The programs load while we import what shows them."""
    async with SystemRun(system, surroundings) as run:
        with _view(options.log_format, _chosen(system, options.only)) as view:
            return await run.look_after(view, began=began)


def _planned_ports(system: System, base: int | None) -> PortPlan:
    ports = PortPlan(system.services, base)
    for name in system.services:
        if (highest := max(ports.of(name).values())) > LAST_PORT:
            raise CannotRun(
                f"With --port-base {base}, {name} would have port {highest}, and {LAST_PORT} is the last one."
            )
    return ports


def _chosen(system: System, only: Collection[str]) -> list[str]:
    for name in only:
        if name not in system.services:
            raise CannotRun(f"There is no service {name!r} in {system.path}.{did_you_mean(name, system.services)}")
    wanted = {*only, *(server for name in only for server in SERVERS if server in system.services[name].needs)}
    return [name for name in system.services if not only or system.service_of(name) in wanted]


def _log_format_of_services(options: UpOptions) -> LogFormat:
    """They print into a pipe, so they cannot see by themselves that a person reads it."""
    return "json" if options.log_format == "json" else "pretty"


def _view(log_format: LogFormat, services: Collection[str]) -> View:
    if log_format == "json":
        from atoll.runner.json_view import JsonView

        return JsonView()
    if sys.stdout.isatty():
        from atoll.runner.live_view import LiveView

        return LiveView(services)
    from atoll.runner.plain_view import PlainView

    return PlainView(services)
