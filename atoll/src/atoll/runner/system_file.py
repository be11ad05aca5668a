"""The system file, `atoll.toml`: the whole system on one page, read once and checked as a whole."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from atoll.runner.mistakes import did_you_mean, read_table
from atoll.runner.modules import can_be_run
from atoll.runner.supervision import START_LIMIT, STOP_LIMIT
from atoll.runner.topology import circle_in

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
"""A TCP port; 0 means any free one."""

REGISTRY_MODULE = "atoll.registry"
GATEWAY_MODULE = "atoll.gateway"

_USUAL_PLACES = ("atoll.toml", "shop/atoll.toml")


class SystemFileInvalid(Exception):
    """The system file cannot be used; the message says all that is wrong with it, one sentence a line."""

    def __init__(self, path: Path, mistakes: Iterable[str]) -> None:
        self.path = path
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join([f"{path} cannot be used:", *(f"  - {mistake}" for mistake in self.mistakes)]))


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`[services.NAME]`: one program of the system. Either `module` or `command` says which.

    `ports` names further ports by the setting that holds them (`ops_port`). `database` gives the service a
    database: `true` for a file of its own in the data folder, or a URL. `events` gives it the broker, which is
    started for it when none is named. `secrets` are made once in the data folder. A `command` may use `{port}`, and is
    up when `health` answers 200, or when it says so on the supervisor line. `settings` and `calls` belong to the
    service, which reads them itself. Time limits are in seconds.
    """

    module: str = ""
    command: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: Port = 0
    ports: dict[str, Port] = {}
    needs: tuple[str, ...] = ()
    health: str = ""
    database: bool | str = False
    events: bool = False
    secrets: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    settings: dict[str, Any] = {}
    calls: dict[str, Any] = {}
    start_limit: float = START_LIMIT
    stop_limit: float = STOP_LIMIT

    def all_ports(self) -> dict[str, int]:
        """Every port by the name of its setting; `port` is the first."""
        return {"port": self.port, **self.ports}


class CommandSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`[commands.NAME]`: a program of the system that `atoll NAME …` runs, with more arguments at the end.

    It gets the environment of `service` when one is named, else the addresses of all that runs; and for each of
    `databases` the address of that service's database, as `ORDERS_DATABASE_URL`, to look at.
    """

    module: str
    arguments: tuple[str, ...] = ()
    help: str = ""
    service: str = ""
    databases: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    needs_running: bool = False


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A system file without mistakes. `first_call` is a path to try at the gateway once everything is up.

    `settings` are those of every service, as they are in the file. `copies` names further instances of a service
    (`orders-2`) with the service that they are of.
    """

    path: Path
    name: str
    first_call: str
    settings: dict[str, Any] = {}
    services: dict[str, ServiceSpec]
    commands: dict[str, CommandSpec]
    copies: dict[str, str] = {}

    def needs(self) -> dict[str, tuple[str, ...]]:
        return {name: spec.needs for name, spec in self.services.items()}

    def service_of(self, name: str) -> str:
        """The service that `name` is an instance of: itself, unless it is a copy."""
        return self.copies.get(name, name)

    def is_production(self, environ: Mapping[str, str]) -> bool:
        """Whether it runs for real, as the environment says, or else the file."""
        return (environ.get("ATOLL_ENV") or self.settings.get("environment")) == "production"

    def service_running(self, module: str) -> str | None:
        """The name of the first service whose program is `module`."""
        return next((name for name, spec in self.services.items() if spec.module == module), None)


class _About(msgspec.Struct, frozen=True, kw_only=True):
    name: str = "system"
    first_call: str = "/health"


class _Page(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the file; `settings`, `calls` and `gateway` are read by the services themselves."""

    services: dict[str, dict[str, Any]]
    system: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    commands: dict[str, dict[str, Any]] = {}
    gateway: dict[str, Any] = {}
    calls: dict[str, Any] = {}


def find_system_file(folder: Path) -> Path:
    """`atoll.toml` in `folder`, or `shop/atoll.toml`; SystemFileInvalid when there is neither."""
    for place in _USUAL_PLACES:
        if (folder / place).is_file():
            return folder / place
    raise SystemFileInvalid(
        folder, [f"there is neither {' nor '.join(_USUAL_PLACES)} here; name the file with --file."]
    )


def read_system(path: Path) -> System:
    """Read and check the system file; raises SystemFileInvalid with every mistake at once."""
    mistakes: list[str] = []
    page = read_table(_load(path), _Page, "The file", mistakes)
    about = read_table(page.system, _About, "[system]", mistakes)
    services = {
        name: read_table(table, ServiceSpec, f"[services.{name}]", mistakes)
        for name, table in (page.services or {}).items()
    }
    commands = {
        name: read_table(table, CommandSpec, f"[commands.{name}]", mistakes) for name, table in page.commands.items()
    }
    mistakes += [*_mistakes_between(services, commands, page.gateway), *_wrong_call_targets(services, page.calls)]
    if mistakes:
        raise SystemFileInvalid(path, mistakes)
    return System(
        path=path.resolve(),
        name=about.name,
        first_call=about.first_call,
        settings=page.settings,
        services=services,
        commands=commands,
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SystemFileInvalid(path, ["there is no such file."]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SystemFileInvalid(path, [f"it cannot be read: {error}."]) from error
    except tomllib.TOMLDecodeError as error:
        raise SystemFileInvalid(path, [f"it is not TOML: {error}."]) from error


def _mistakes_between(
    services: Mapping[str, ServiceSpec], commands: Mapping[str, CommandSpec], gateway: Mapping[str, Any]
) -> list[str]:
    """What is wrong although each table is right by itself."""
    return [
        *_empty(services),
        *_wrong_needs(services),
        *_circles(services),
        *_duplicate_ports(services),
        *_wrong_programs(services, commands),
        *_wrong_command_services(services, commands),
        *_wrong_route_targets(services, gateway),
    ]


def _empty(services: Mapping[str, ServiceSpec]) -> Iterable[str]:
    if not services:
        yield "There is no service in it; add one as [services.NAME]."


def _wrong_needs(services: Mapping[str, ServiceSpec]) -> Iterable[str]:
    for name, spec in services.items():
        for need in spec.needs:
            if need not in services:
                yield f"[services.{name}] needs {need!r}, which is not a service here.{did_you_mean(need, services)}"


def _circles(services: Mapping[str, ServiceSpec]) -> Iterable[str]:
    if circle := circle_in({name: spec.needs for name, spec in services.items()}):
        yield f"Services need each other in a circle, so none can start first: {' → '.join(circle)}."


def _duplicate_ports(services: Mapping[str, ServiceSpec]) -> Iterable[str]:
    owners = defaultdict(list)
    for name, spec in services.items():
        for setting, port in spec.all_ports().items():
            owners[port].append(name if setting == "port" else f"{name} ({setting})")
    for port, names in owners.items():
        if port != 0 and len(names) > 1:
            yield f"Port {port} is given more than once: to {' and '.join(names)}."


def _wrong_programs(services: Mapping[str, ServiceSpec], commands: Mapping[str, CommandSpec]) -> Iterable[str]:
    for name, spec in services.items():
        if bool(spec.module) == bool(spec.command):
            yield f"[services.{name}] needs either 'module' or 'command', and not both."
        elif spec.module and not can_be_run(spec.module):
            yield f"[services.{name}] module: {_no_program(spec.module)}"
    for name, command in commands.items():
        if command.module and not can_be_run(command.module):
            yield f"[commands.{name}] module: {_no_program(command.module)}"


def _no_program(module: str) -> str:
    return f"there is no program {module!r} to run, neither in this folder nor installed."


def _wrong_command_services(services: Mapping[str, ServiceSpec], commands: Mapping[str, CommandSpec]) -> Iterable[str]:
    for name, command in commands.items():
        if command.service and command.service not in services:
            guess = did_you_mean(command.service, services)
            yield f"[commands.{name}] service: {command.service!r} is not a service here.{guess}"
        for owner in command.databases:
            if owner not in services:
                guess = did_you_mean(owner, services)
                yield f"[commands.{name}] databases: {owner!r} is not a service here.{guess}"
            elif not services[owner].database:
                yield f"[commands.{name}] databases: {owner} has none."


def _wrong_route_targets(services: Mapping[str, ServiceSpec], gateway: Mapping[str, Any]) -> Iterable[str]:
    for number, route in enumerate(gateway.get("routes", ()), 1):
        target = route.get("to") if isinstance(route, dict) else None
        if isinstance(target, str) and target not in services:
            guess = did_you_mean(target, services)
            yield f"Route {number} of the gateway goes to {target!r}, which is not a service here.{guess}"


def _wrong_call_targets(services: Mapping[str, ServiceSpec], calls: Mapping[str, Any]) -> Iterable[str]:
    tables = {"calls": calls, **{f"services.{name}.calls": spec.calls for name, spec in services.items()}}
    for name, table in tables.items():
        for target in table.get("to", ()):
            if target not in services:
                yield f"[{name}.to.{target}]: there is no service {target!r} here.{did_you_mean(target, services)}"
