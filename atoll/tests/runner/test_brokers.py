"""Where the events of a system travel: the choices, and a real server that is started for it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from atoll.events import Message, open_broker
from atoll.lifecycle import StartFailed
from atoll.runner.brokers import LONGEST_SOCKET_PATH, SERVER, CannotCarryEvents, with_broker
from atoll.runner.data_folder import DataFolder
from atoll.runner.embedded_valkey import binaries
from atoll.runner.embedded_valkey.server import ValkeyServer
from atoll.runner.scaling import scaled
from atoll.runner.system_file import ServiceSpec, System
from atoll.runner.topology import start_order
from atoll.testing.broker_suite import messages, read_all
from atoll.testing.system import running_system, starting_system


@pytest.fixture
def shop(shop_with: Callable[[ServiceSpec], System]) -> System:
    return shop_with(ServiceSpec(events=True))


def url_of(system: System, service: str) -> str:
    return system.services[service].environment["VALKEY_URL"]


def test_a_server_starts_before_those_who_use_it_and_they_know_where_it_is(data: DataFolder, shop: System) -> None:
    system = with_broker(scaled(shop, {"orders": 2}), data, {})

    assert SERVER == start_order(system.needs())[0]
    assert (SERVER, "users") == system.services["orders"].needs
    assert url_of(system, "users") == url_of(system, "orders") == url_of(system, "orders-2")
    assert shop.services["gateway"] == system.services["gateway"]
    assert str(data.path / "valkey") == system.services[SERVER].environment["VALKEY_FOLDER"]


@pytest.mark.parametrize("name", ["VALKEY_URL", "REDIS_URL"])
def test_a_server_of_ones_own_is_used_instead(data: DataFolder, name: str, shop: System) -> None:
    assert shop == with_broker(shop, data, {name: "valkey://10.0.0.1", "ATOLL_ENV": "production"})


def test_its_address_may_be_in_a_file(data: DataFolder, tmp_path: Path, shop: System) -> None:
    (tmp_path / "address").write_text("valkey://10.0.0.1\n")

    assert shop == with_broker(shop, data, {"VALKEY_URL_FILE": str(tmp_path / "address")})
    with pytest.raises(CannotCarryEvents, match=r"VALKEY_URL_FILE in the environment names .* cannot be read"):
        with_broker(shop, data, {"VALKEY_URL_FILE": str(tmp_path / "nothing")})


def test_without_events_there_is_none(data: DataFolder, shop: System) -> None:
    silent = System(path=shop.path, name="shop", first_call="/", services={"a": ServiceSpec(module="a")}, commands={})

    assert silent == with_broker(silent, data, {})


def test_a_path_that_is_too_long_for_a_socket_is_replaced_by_a_short_one(tmp_path: Path, shop: System) -> None:
    data = DataFolder(tmp_path / ("long" * 30))
    url = url_of(with_broker(shop, data, {}), "users")

    assert len(url.removeprefix("unix://")) <= LONGEST_SOCKET_PATH
    assert url == url_of(with_broker(shop, DataFolder(tmp_path / ("long" * 30)), {}), "users")


def test_production_needs_a_server_of_its_own(data: DataFolder, shop: System) -> None:
    with pytest.raises(CannotCarryEvents, match="in production give the address"):
        with_broker(shop, data, {"ATOLL_ENV": "production"})


def test_a_service_may_not_have_the_name_of_the_server(data: DataFolder, shop: System) -> None:
    services = {SERVER: ServiceSpec(module="valkey"), **shop.services}
    system = System(path=shop.path, name="shop", first_call="/", services=services, commands={})

    with pytest.raises(CannotCarryEvents, match="needs that name"):
        with_broker(system, data, {})


def test_where_there_is_no_server_to_start_it_is_said_what_to_do(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch, shop: System
) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")

    with pytest.raises(CannotCarryEvents, match=r"no Valkey server for this machine .* VALKEY_URL"):
        with_broker(shop, data, {})


async def test_only_one_server_works_on_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.runner.embedded_valkey.server.PREDECESSOR_LIMIT", 0.1)
    async with ValkeyServer(tmp_path / "data", tmp_path / "one"):
        with pytest.raises(StartFailed, match="another one works on"):
            await ValkeyServer(tmp_path / "data", tmp_path / "other").start()
    async with ValkeyServer(tmp_path / "data", tmp_path / "other"):
        pass


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="The Valkey server does not start"):
        await ValkeyServer(tmp_path / "data", tmp_path / ("s" * 120)).start()


async def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(StartFailed, match="belongs to somebody else"):
        await ValkeyServer(tmp_path / "data", tmp_path / "socket").start()


@pytest.mark.system
async def test_events_survive_the_server_the_runner_and_the_system(
    pair_with: Callable[[str], Path], environment_of: Callable[[str], dict[str, str]]
) -> None:
    file = pair_with("events")
    for round_, end in enumerate(("kill the server", "stop")):
        async with running_system(file, file.parent / "data") as system:
            url = environment_of(system.url("orders"))["VALKEY_URL"]
            async with open_broker(url) as broker:
                await broker.publish(messages(f"event {round_}"))
            if end == "kill the server":
                os.kill(system.service(SERVER).pid, signal.SIGKILL)
                await system.line_with(f"{SERVER} is up", times=2)
                async with open_broker(url) as broker:
                    await broker.publish([Message("b", b"after")])
            else:
                async with open_broker(url) as broker:
                    assert ["event 0", "event 1"] == await read_all(broker.subscribe("g", ["a"], consumer="c"))


@pytest.mark.system
async def test_the_runner_says_when_there_is_no_server(pair_with: Callable[[str], Path]) -> None:
    file = pair_with("events")
    async with starting_system(file, file.parent / "data", environment={"ATOLL_ENV": "production"}) as system:
        await system.line_with("in production give the address of your own in VALKEY_URL")
