"""Starting a real process: what the supervisor hears, and clear words when it cannot start."""

import json
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from atoll.testing.raw_http import connected
from atoll.testing.service_process import ServiceProcess, service_process

pytestmark = pytest.mark.system

Start = Callable[..., Awaitable[ServiceProcess]]

HEALTH = b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n"


async def test_the_supervisor_hears_the_port_when_it_serves(start: Start) -> None:
    service = await (await start()).ready()

    async with connected(service.port) as client:
        answer = await client.request(HEALTH)

    assert 200 == answer.status
    assert ("tested", "1.2.3", service.pid) == tuple(answer.json()[key] for key in ("service", "version", "pid"))


async def test_answers_have_a_date_and_do_not_name_the_server(service: ServiceProcess) -> None:
    async with connected(service.port) as client:
        answer = await client.request(HEALTH)

    assert answer.fields["date"].endswith(" GMT")
    assert "server" not in answer.fields


async def test_lines_are_json_with_the_service_when_not_on_a_terminal(service: ServiceProcess) -> None:
    service.signal()
    ended = await service.ended()

    assert {"tested"} == {line["service"] for line in ended.lines}
    assert service.port == ended.line("serving")["port"]


async def test_it_serves_without_a_supervisor(tmp_path: Path) -> None:
    program = str(Path(__file__).with_name("small_service.py"))
    async with service_process([sys.executable, program], {"ATOLL_SUPERVISOR_FD": ""}) as service:
        await service.said("serving")
        service.signal()
        ended = await service.ended()

    assert (0, "stopped") == (ended.code, ended.events[-1])


async def test_all_mistakes_in_the_settings_are_told_at_once_with_code_2(start: Start) -> None:
    service = await start(port="many", log_level="loud")
    told = await service.told()
    ended = await service.ended()

    assert (2, "") == (ended.code, ended.output)
    assert (
        "The settings of tested have 2 mistakes:\n"
        "  PORT in the environment is 'many': a whole number from 0 to 65535 is needed.\n"
        "  LOG_LEVEL in the environment is 'loud': one of debug, info, warning, error is needed.\n"
    ) == ended.errors
    assert {"failed": ended.errors.rstrip("\n")} == told


async def test_in_production_the_development_secret_stops_the_start(start: Start) -> None:
    ended = await (await start(atoll_env="production")).ended()

    assert 2 == ended.code
    assert "SERVICE_SECRET must be given in production" in ended.errors


async def test_a_port_that_is_taken_is_told_in_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = await start(port=port)
        told = await service.told()
        ended = await service.ended()

    sentence = f"Port {port} on 127.0.0.1 is taken by another program. Stop that one, or choose another port."
    assert (1, "") == (ended.code, ended.errors)
    assert sentence == ended.line("cannot start")["reason"]
    assert {"failed": sentence} == told
    assert "Traceback" not in ended.output


async def test_what_was_entered_is_left_when_the_port_is_taken(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        ended = await (await start(port=other.getsockname()[1])).ended()

    assert ["resource starts", "resource closed", "cannot start"] == ended.events


async def test_a_foreseen_failure_of_a_resource_is_told_in_one_sentence(start: Start) -> None:
    service = await start(missing="The database")
    told = await service.told()
    ended = await service.ended()

    assert 1 == ended.code
    assert "The database cannot be reached." in ended.line("cannot start")["reason"]
    assert "Traceback" not in ended.output
    assert "The database cannot be reached." in told["failed"]


async def test_the_address_of_a_database_that_is_none_is_a_wrong_setting(start: Start) -> None:
    ended = await (await start(database_url="mysql://user:secret@host/orders")).ended()

    assert 2 == ended.code
    assert "mysql:// is no database that is known here" in ended.line("cannot start")["reason"]
    assert "Traceback" not in ended.output


async def test_any_other_failure_is_told_with_its_traceback(start: Start) -> None:
    ended = await (await start(wrong=True)).ended()

    assert 1 == ended.code
    assert "ZeroDivisionError" in ended.line("process failed")["exception"]


async def test_the_file_is_read_too(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "atoll.toml"
    file.write_text("[settings]\nlog_level = 'error'\n[services.tested.settings]\nhost = 'localhost'\n")

    service = await (await start(atoll_config=file)).ready()
    async with connected(service.port, host="localhost") as client:
        answer = await client.request(HEALTH)
    service.signal()
    ended = await service.ended()

    assert (200, 0, []) == (answer.status, ended.code, ended.events)


async def test_it_survives_a_reader_of_its_log_that_is_gone(start: Start) -> None:
    service = await (await start()).ready()
    service.stop_reading()
    async with connected(service.port) as client:
        await client.request(b"POST /break HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")

    ended = await service.ended()

    assert (1, "") == (ended.code, ended.errors)


async def test_it_registers_and_leaves(start: Start) -> None:
    async with service_process([sys.executable, "-m", "atoll.registry"], {"port": 0}) as registry:
        await registry.ready()
        service = await (await start(registry_url=f"http://127.0.0.1:{registry.port}")).ready()
        async with connected(registry.port) as client:
            request = b"GET /services/tested HTTP/1.1\r\nHost: test\r\n\r\n"
            while not (listed := json.loads((await client.request(request)).body)).get("items"):
                pass
            service.signal()
            ended = await service.ended()
            after = json.loads((await client.request(request)).body)

    assert (service.port, "1.2.3") == (listed["items"][0]["port"], listed["items"][0]["version"])
    assert 0 == ended.code
    assert not after.get("items")
