"""Where the events of a system travel: through a Valkey server of the system's own, or one that others run."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from atoll.lifecycle.errors import StartFailed
from atoll.runner.data_folder import DataFolder
from atoll.runner.given import CannotBeRead, given
from atoll.runner.system_file import ServiceSpec, System

SERVER = "valkey"
"""The name of the embedded server among the services."""

GIVEN = ("VALKEY_URL", "REDIS_URL")
"""Names in the environment of the address of a server that others run."""

LONGEST_SOCKET_PATH = 100
"""Bytes: systems allow from 104 on."""


class CannotCarryEvents(Exception):
    """There is no broker for services that need one; the message says why and what to do."""


def with_broker(system: System, folder: DataFolder, environ: Mapping[str, str] = os.environ) -> System:
    """The system with what its events need: nothing if no service has any, or if the environment names a server.

    Otherwise with an embedded server that keeps its data in the data folder, starts before those services and stops
    after them; each finds its address in `VALKEY_URL`. Raises `CannotCarryEvents`.
    """
    users = [name for name, spec in system.services.items() if spec.events]
    if not users or _is_elsewhere(system, environ):
        return system
    _refuse(system, environ)
    server = ServiceSpec(
        module="atoll.runner.embedded_valkey",
        port=3031,
        environment={
            "VALKEY_FOLDER": str(folder.path / "valkey"),
            "VALKEY_SOCKET": str(_socket(folder)),
            "REGISTRY_URL": "",  # nobody looks for it there
        },
    )
    url = embedded_url(folder)
    services = {name: _using(spec, url) if spec.events else spec for name, spec in system.services.items()}
    return msgspec.structs.replace(system, services={SERVER: server, **services})


def embedded_url(folder: DataFolder) -> str:
    """The address of the embedded server of that data folder, whether it runs or not."""
    return f"unix://{quote(str(_socket(folder)))}"


def given_url(system: System, environ: Mapping[str, str] = os.environ) -> str | None:
    """The address of a server that others run, from the environment or the system file; None when neither has one.

    Raises `CannotBeRead`.
    """
    named = next((found for name in GIVEN if (found := given(name, environ))), None)
    return named or system.settings.get("broker_url")


def _is_elsewhere(system: System, environ: Mapping[str, str]) -> bool:
    try:
        return bool(given_url(system, environ))
    except CannotBeRead as error:
        raise CannotCarryEvents(str(error)) from error


def _using(spec: ServiceSpec, url: str) -> ServiceSpec:
    environment = {GIVEN[0]: url, **spec.environment}
    return msgspec.structs.replace(spec, needs=(SERVER, *spec.needs), environment=environment)


def _refuse(system: System, environ: Mapping[str, str]) -> None:
    from atoll.runner.embedded_valkey.binaries import server_program

    if system.is_production(environ):
        raise CannotCarryEvents(
            "The embedded Valkey server is for development; in production give the address of your own in VALKEY_URL."
        )
    if SERVER in system.services:
        raise CannotCarryEvents(f"{SERVER} is a service of its own in {system.path}; the server needs that name.")
    try:
        server_program()
    except StartFailed as missing:
        raise CannotCarryEvents(str(missing)) from missing


def _socket(folder: DataFolder) -> Path:
    """In the data folder; if its path is too long for a socket, in a folder for temporary files, always the same."""
    socket = folder.path / SERVER / "socket"
    if len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH:
        return socket
    name = hashlib.sha256(os.fsencode(folder.path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"atoll-{os.getuid()}-{name}" / "socket"
