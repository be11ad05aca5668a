"""Where a whole shop keeps its data: on each engine in turn."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from atoll.lifecycle import StartFailed
from atoll.runner.embedded_postgres.binaries import binaries
from atoll.testing.database_fixtures import ENGINES
from atoll.testing.postgres_server import GIVEN, databases_for

SERVICES = ("users", "products", "orders")


@dataclass(frozen=True)
class Keeping:
    """A data folder, and the options of `atoll up` that go with it."""

    data: Path
    options: Sequence[str] = ()


@pytest.fixture(params=ENGINES)
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Keeping]:
    """For one test."""
    with ExitStack() as held:
        yield _keeping_on(request.param, tmp_path, held)


@pytest.fixture(scope="module", params=ENGINES)
def keeping_of_module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeping]:
    """For all tests of a file."""
    with ExitStack() as held:
        yield _keeping_on(request.param, tmp_path_factory.mktemp("shop"), held)


def _keeping_on(engine: str, folder: Path, held: ExitStack) -> Keeping:
    if engine == "sqlite":
        return Keeping(folder / "data")
    if given := os.environ.get(GIVEN):
        return Keeping(folder / "data", ["--database", held.enter_context(databases_for(given, SERVICES))])
    try:
        binaries()
    except StartFailed as missing:
        pytest.skip(f"no PostgreSQL here: {missing}")
    # For root the server runs as another account, which may not enter pytest's own folders.
    reachable = held.enter_context(TemporaryDirectory(prefix="atoll-shop-"))
    os.chmod(reachable, 0o711)  # noqa: S103 - to pass through, not to read
    return Keeping(Path(reachable) / "data", ["--database", "postgresql"])
