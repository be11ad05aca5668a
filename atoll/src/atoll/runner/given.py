"""What the environment gives by name: as every setting of a service, itself or in a file."""

from collections.abc import Mapping
from pathlib import Path


class CannotBeRead(Exception):
    """The environment names a file that cannot be read."""


def given(name: str, environ: Mapping[str, str]) -> str:
    """The value of `name`, or of the file that `<name>_FILE` names; empty when there is neither. `CannotBeRead`."""
    if value := environ.get(name):
        return value
    path = environ.get(f"{name}_FILE")
    try:
        return Path(path).read_text(encoding="utf-8").strip() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CannotBeRead(f"{name}_FILE in the environment names {path}, which cannot be read: {error}.") from error
