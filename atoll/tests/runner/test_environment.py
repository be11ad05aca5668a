from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from atoll.runner.data_folder import DataFolder
from atoll.runner.databases import databases_of
from atoll.runner.environment import Surroundings
from atoll.runner.ports import PortPlan
from atoll.runner.scaling import scaled
from atoll.runner.system_file import CommandSpec, ServiceSpec, System

SYSTEM = System(
    path=Path("/system/atoll.toml"),
    name="shop",
    first_call="/",
    services={
        "registry": ServiceSpec(module="atoll.registry", port=3010),
        "users": ServiceSpec(module="users", port=3001, database=True, secrets=("admin_password",)),
        "gateway": ServiceSpec(
            module="atoll.gateway", port=3000, ports={"ops_port": 3009}, environment={"GREETING": "hi"}
        ),
    },
    commands={},
)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


@pytest.fixture
def surroundings(folder: DataFolder) -> Callable[..., Surroundings]:
    def make(
        runs_here: frozenset[str] = frozenset(SYSTEM.services), environ: dict[str, str] | None = None
    ) -> Surroundings:
        ports = PortPlan(SYSTEM.services)
        return Surroundings(SYSTEM, ports, folder, "pretty", runs_here, databases_of(folder), environ=environ or {})

    return make


def test_a_service_is_told_all_it_needs(surroundings: Callable[..., Surroundings], folder: DataFolder) -> None:
    assert surroundings().of_service("users") == {
        "ATOLL_CONFIG": "/system/atoll.toml",
        "HOST": "127.0.0.1",
        "PORT": "3001",
        "LOG_FORMAT": "pretty",
        "REGISTRY_URL": "http://127.0.0.1:3010",
        "DATABASE_URL": folder.database_url("users"),
        "SERVICE_SECRET": folder.secret("service_secret"),
        "ADMIN_PASSWORD": folder.secret("admin_password"),
    }


def test_further_ports_and_variables_come_from_the_file(surroundings: Callable[..., Surroundings]) -> None:
    environment = surroundings().of_service("gateway")

    assert (environment["OPS_PORT"], environment["GREETING"]) == ("3009", "hi")
    assert "DATABASE_URL" not in environment


def test_a_process_with_events_keeps_its_name_among_its_replicas(folder: DataFolder) -> None:
    telling = ServiceSpec(module="orders", events=True)
    system = scaled(msgspec.structs.replace(SYSTEM, services={"orders": telling, **SYSTEM.services}), {"orders": 2})
    surroundings = Surroundings(
        system,
        PortPlan(system.services, 0),
        folder,
        log_format="auto",
        runs_here=frozenset(),
        databases=databases_of(folder),
        environ={},
    )

    assert "orders" == surroundings.of_service("orders")["CONSUMER"]
    assert "orders-2" == surroundings.of_service("orders-2")["CONSUMER"]
    assert "CONSUMER" not in surroundings.of_service("users")


def test_all_services_share_one_secret(surroundings: Callable[..., Surroundings]) -> None:
    environments = [surroundings().of_service(name) for name in SYSTEM.services]

    assert len({environment["SERVICE_SECRET"] for environment in environments}) == 1


@pytest.mark.parametrize("name", ["SERVICE_SECRET", "SERVICE_SECRET_FILE"])
def test_a_secret_that_is_given_is_not_made_up(surroundings: Callable[..., Surroundings], name: str) -> None:
    environment = surroundings(environ={name: "given"}).of_service("users")

    assert "SERVICE_SECRET" not in environment


def test_in_production_no_secret_is_made_up(surroundings: Callable[..., Surroundings], folder: DataFolder) -> None:
    environment = surroundings(environ={"ATOLL_ENV": "production"}).of_service("users")

    assert "SERVICE_SECRET" not in environment
    assert not (folder.path / "secrets").exists()


def test_production_may_be_said_in_the_file(folder: DataFolder) -> None:
    system = msgspec.structs.replace(SYSTEM, settings={"environment": "production"})
    ports = PortPlan(system.services)

    files = databases_of(folder)
    said = Surroundings(system, ports, folder, "json", frozenset(system.services), files, environ={})
    unsaid = Surroundings(system, ports, folder, "json", said.runs_here, files, environ={"ATOLL_ENV": "development"})

    assert "SERVICE_SECRET" not in said.of_service("users")
    assert "SERVICE_SECRET" in unsaid.of_service("users")


def test_a_registry_elsewhere_may_be_named(surroundings: Callable[..., Surroundings]) -> None:
    elsewhere = {"REGISTRY_URL": "http://elsewhere:3010"}

    assert "REGISTRY_URL" not in surroundings(frozenset({"users"}), elsewhere).of_service("users")
    assert surroundings(environ=elsewhere).of_service("users")["REGISTRY_URL"] == "http://127.0.0.1:3010"


def test_a_command_of_a_service_works_on_its_data_not_on_its_port(
    surroundings: Callable[..., Surroundings], folder: DataFolder
) -> None:
    environment = surroundings().of_command(CommandSpec(module="users", service="users"))

    assert environment["DATABASE_URL"] == folder.database_url("users")
    assert "PORT" not in environment


def test_a_command_may_look_at_databases(surroundings: Callable[..., Surroundings], folder: DataFolder) -> None:
    environment = surroundings().of_command(CommandSpec(module="check", databases=("users",)))

    assert environment["USERS_DATABASE_URL"] == folder.database_url("users")
    assert "DATABASE_URL" not in environment


def test_a_command_of_the_system_gets_every_address(surroundings: Callable[..., Surroundings]) -> None:
    environment = surroundings().of_command(CommandSpec(module="demo", secrets=("admin_password",)))

    assert environment["GATEWAY_URL"] == "http://127.0.0.1:3000"
    assert environment["USERS_URL"] == "http://127.0.0.1:3001"
    assert environment["ADMIN_PASSWORD"] != ""
