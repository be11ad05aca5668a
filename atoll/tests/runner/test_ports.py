import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll.runner.port_holder import holder_of
from atoll.runner.ports import PortPlan
from atoll.runner.system_file import ServiceSpec

SERVICES = {
    "users": ServiceSpec(module="users", port=3001),
    "gateway": ServiceSpec(module="gateway", port=3000, ports={"ops_port": 3009}),
    "worker": ServiceSpec(module="worker"),
}


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_ports_are_those_of_the_file() -> None:
    plan = PortPlan(SERVICES)

    assert plan.of("gateway") == {"port": 3000, "ops_port": 3009}
    assert plan.of("worker") == {"port": 0}


def test_a_base_moves_all_and_keeps_their_distance() -> None:
    plan = PortPlan(SERVICES, base=4100)

    assert (plan.of("gateway"), plan.of("users")) == ({"port": 4100, "ops_port": 4109}, {"port": 4101})
    assert plan.of("worker") == {"port": 0}


def test_base_zero_leaves_every_port_open_until_it_is_bound() -> None:
    plan = PortPlan(SERVICES, base=0)
    assert (plan.of("gateway"), plan.url("gateway")) == ({"port": 0, "ops_port": 0}, "")

    plan.bound("gateway", {"port": 40001, "ops_port": 40002})

    assert plan.url("gateway") == "http://127.0.0.1:40001"
    assert plan.operations_url("gateway") == "http://127.0.0.1:40002"


def test_operations_are_on_the_only_port_of_most() -> None:
    assert PortPlan(SERVICES).operations_url("users") == "http://127.0.0.1:3001"


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"), ("::1", "http://[::1]:80")],  # noqa: S104 - only shown
)
def test_an_address_that_means_all_is_called_on_this_machine(host: str, url: str) -> None:
    assert PortPlan({"web": ServiceSpec(module="web", host=host, port=80)}).url("web") == url


def test_a_free_port_is_chosen_for_a_program_that_cannot_tell() -> None:
    plan = PortPlan(SERVICES, base=0)

    plan.choose_free("gateway")

    assert 0 not in plan.of("gateway").values()


def test_a_taken_port_names_the_process_that_holds_it(listening: int) -> None:
    plan = PortPlan({"users": ServiceSpec(module="users", port=listening)})

    [taken] = plan.taken(["users"])

    if holder_of(listening) is None:
        pytest.skip("this system does not tell who listens")
    assert str(taken).startswith(f"users needs port {listening}, but process {os.getpid()} (")


def test_a_free_port_is_not_taken(listening: int) -> None:
    plan = PortPlan({"users": ServiceSpec(module="users", port=listening), "worker": SERVICES["worker"]})

    assert plan.taken(["worker"]) == []


def test_who_holds_a_port_is_unknown_without_proc(listening: int, tmp_path: Path) -> None:
    assert holder_of(listening, tmp_path) is None
