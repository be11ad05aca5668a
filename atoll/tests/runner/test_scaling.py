"""Several instances of one service."""

from pathlib import Path

import pytest

from atoll.runner.restarting import instances_of
from atoll.runner.running_system import RunningSystem
from atoll.runner.scaling import CannotScale, scaled
from atoll.runner.system_file import System, read_system
from atoll.runner.topology import start_order

FILE = """
[services.registry]
module = "atoll.registry"
port = 3010
[services.orders]
module = "json.tool"
port = 3003
ports = { ops_port = 3004 }
needs = ["registry"]
database = true
[services.gateway]
module = "atoll.gateway"
port = 3000
needs = ["orders"]
"""


@pytest.fixture
def system(tmp_path: Path) -> System:
    file = tmp_path / "atoll.toml"
    file.write_text(FILE)
    return read_system(file)


def test_copies_have_free_ports_and_everything_else_of_the_first(system: System) -> None:
    three = scaled(system, {"orders": 3})

    assert list(three.services) == ["registry", "orders", "gateway", "orders-2", "orders-3"]
    assert three.services["orders"] == system.services["orders"]
    copy = three.services["orders-2"]
    assert (copy.all_ports(), copy.module, copy.database) == ({"port": 0, "ops_port": 0}, "json.tool", True)
    assert (three.service_of("orders-3"), three.service_of("orders")) == ("orders", "orders")


def test_copies_start_after_the_first(system: System) -> None:
    order = start_order(scaled(system, {"orders": 2}).needs())

    assert order.index("registry") < order.index("orders") < order.index("orders-2")


def test_one_instance_is_what_there_is_anyway(system: System) -> None:
    assert scaled(system, {"orders": 1}) == system


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        ("order", 2, "There is no service 'order'"),
        ("orders", 0, "1 to 64"),
        ("orders", 65, "1 to 64"),
        ("registry", 2, "only one registry"),
        ("gateway", 2, "only one gateway"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(system: System, name: str, count: int, words: str) -> None:
    with pytest.raises(CannotScale, match=words):
        scaled(system, {name: count})


def test_the_instances_of_a_service_are_found_by_its_name(system: System) -> None:
    from datetime import UTC, datetime

    from atoll.runner.running_system import RunningService

    service = RunningService("up", 1, {}, "", "", 0, None)
    names = ["orders", "orders-2", "orders-archive", "orders-10"]
    running = RunningSystem("shop", "", 1, datetime.now(UTC), dict.fromkeys(names, service))

    assert instances_of(running, "orders") == ["orders", "orders-2", "orders-10"]
    assert instances_of(running, "orders-2") == ["orders-2"]
    assert instances_of(running, "users") == []
