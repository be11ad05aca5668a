"""`python3 deploy/make_secrets.py [FOLDER]`: a file for every secret that is needed, in deploy/secrets if not said.

What is there stays as it is, so a second run makes only what is new. The folder is its owner's alone; the files in it
can be read by whoever gets one mounted, as the services do, which run as another user.
"""

import secrets
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

FOLDER = Path(__file__).parent / "secrets"
OWNERS = ("users", "products", "orders")
"""The services with a database of their own."""


def make(folder: Path) -> list[str]:
    """The names of those made now."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return [name for name, text in _wanted(folder) if _written(folder / name, text)]


def _wanted(folder: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Every secret with what makes it; those that hold another come after it."""

    def held(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8").strip()

    def address(owner: str) -> str:
        return f"postgresql://{owner}:{held(f'{owner}_database_password')}@postgres:5432/{owner}"

    yield "service_secret", _random
    yield "admin_password", _random
    yield "postgres_password", _random
    for owner in OWNERS:
        yield f"{owner}_database_password", _random
        yield f"{owner}_database_url", partial(address, owner)
    yield "valkey_password", _random
    yield "valkey_conf", lambda: f"requirepass {held('valkey_password')}"
    yield "valkey_url", lambda: f"valkey://:{held('valkey_password')}@valkey:6379"


def _random() -> str:
    """256 bits, in letters that need no quoting in an address."""
    return secrets.token_hex(32)


def _written(file: Path, text: Callable[[], str]) -> bool:
    """False when it was there."""
    if file.exists():
        return False
    file.write_text(text() + "\n", encoding="utf-8")
    file.chmod(0o444)
    return True


if __name__ == "__main__":
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    made = make(into)
    print(f"{into}: {', '.join(made) if made else 'nothing was missing'}.")
