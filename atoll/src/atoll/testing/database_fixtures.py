"""Fixtures for tests that need databases: `pytest_plugins = ["atoll.testing.database_fixtures"]`.

Where there is no PostgreSQL, the tests that ask for it are skipped, and say what is missing.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll.testing.postgres_server import NoPostgres, new_database, postgres_server

ENGINES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """A server for all tests of the session, as a role that may create databases; started when first asked for."""
    try:
        with postgres_server() as url:
            yield url
    except NoPostgres as reason:
        pytest.skip(f"no PostgreSQL here: {reason}")


@pytest.fixture
def postgres_url(postgres_server_url: str) -> Iterator[str]:
    """An empty database on that server, of the test's own."""
    with new_database(postgres_server_url) as url:
        yield url


@pytest.fixture(params=ENGINES)
def database_engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn; tests that have no need of both define this fixture anew."""
    engine: str = request.param
    return engine


@pytest.fixture
def database_url(database_engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database on `database_engine`."""
    if database_engine == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path}/test.db"
