"""Several processes at one door, as real ones: one port, one count of limits, one face for those who run the system."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from atoll.clock import SystemClock
from atoll.gateway.front import create_front
from atoll.gateway.merged_metrics import merged
from atoll.gateway.settings import GATEWAY, GatewaySettings
from atoll.gateway.worker import share_of
from atoll.gateway.workers import Workers
from atoll.lifecycle import StartFailed, listening_socket
from atoll.lifecycle.listener import accepting
from atoll.limits.quota_store import LocalQuotaStore
from atoll.settings import load_settings
from atoll.testing.eventually import eventually
from atoll.testing.raw_http import RawAnswer, connected
from atoll.testing.scripted_server import ScriptedServer, answer_all

SYSTEM = """
[gateway.limits]
default = { address = "40 per 15 min" }

[[gateway.routes]]
path = "/things"
to = "things"
access = "public"
"""
GET = b"GET /api/things HTTP/1.1\r\nHost: x\r\n\r\n"


class Front:
    """A gateway of two workers that runs."""

    def __init__(self, workers: Workers, port: int, ops_port: int) -> None:
        self.workers = workers
        self.port = port
        self._ops_port = ops_port

    async def ask(self, raw: bytes = GET) -> RawAnswer:
        async with connected(self.port) as client:
            return await client.request(raw)

    async def ops(self, path: str) -> RawAnswer:
        async with connected(self._ops_port) as client:
            return await client.request(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    async def number(self, series: str) -> float:
        told = (await self.ops("/metrics")).body.decode()
        return sum(float(value) for value in re.findall(rf"^{series}(?:{{.*}})? (\S+)$", told, re.MULTILINE))


@pytest.fixture
async def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Front]:
    (tmp_path / "atoll.toml").write_text(SYSTEM)
    async with ScriptedServer(answer_all) as things, contextlib.AsyncExitStack() as stack:
        given = {"ATOLL_CONFIG": str(tmp_path / "atoll.toml"), "THINGS_URL": things.url, "USERS_URL": things.url}
        given |= {"WORKERS": "2", "PORT": "0", "OPS_PORT": "0", "LOG_LEVEL": "error", "GRACEFUL_TIMEOUT": "5"}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        program = create_front(load_settings(GatewaySettings, GATEWAY))
        await stack.enter_async_context(program.service.running())
        bound = await stack.enter_async_context(accepting(program.listeners, 5.0))
        workers = program.listeners["port"]
        assert isinstance(workers, Workers)
        yield Front(workers, bound["port"].port, bound["ops_port"].port)


async def test_together_they_are_one_gateway(front: Front) -> None:
    answers = await asyncio.gather(*(front.ask() for _ in range(60)))
    allowed = sum(each.status == 200 for each in answers)
    counted = await front.number("http_server_request_duration_seconds_count")
    ready = await front.ops("/ready")

    assert {each.status for each in answers} == {200, 429}
    assert 30 <= allowed <= 40  # what one has taken ahead, the other cannot use just then
    assert counted == 60
    assert await front.number("gateway_workers") == 2
    assert set(ready.json()["checks"]) == {"worker 1", "worker 2"}


async def test_a_worker_that_dies_is_replaced_and_the_port_is_never_closed(front: Front) -> None:
    pids = _pids(front.workers)
    os.kill(pids[0], signal.SIGKILL)
    during = await asyncio.gather(*(front.ask() for _ in range(8)), return_exceptions=True)
    await eventually(lambda: len(front.workers.running) == 2 and _pids(front.workers) != pids)
    after = [await front.ask() for _ in range(8)]

    assert not [each for each in during if isinstance(each, ConnectionRefusedError)]
    assert {each.status for each in after} == {200}


async def test_a_stop_leaves_no_request_unanswered(front: Front) -> None:
    statuses: list[int] = []
    some_are_answered = asyncio.Event()

    async def ask_until_refused() -> None:
        while True:
            try:
                answer = await front.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            except ConnectionRefusedError:
                return
            statuses.append(answer.status)
            if len(statuses) > 50:
                some_are_answered.set()

    asking = [asyncio.create_task(ask_until_refused()) for _ in range(8)]
    await some_are_answered.wait()
    await front.workers.stop_accepting()
    await front.workers.drain(5.0)
    await asyncio.gather(*asking)

    assert set(statuses) == {200}
    assert not front.workers.running


async def test_new_rules_reach_all_of_them(front: Front, tmp_path: Path) -> None:
    before = await front.ask()
    (tmp_path / "atoll.toml").write_text(SYSTEM.replace("/things", "/others"))
    os.kill(os.getpid(), signal.SIGHUP)

    async def all_have_them() -> bool:
        return {(await front.ask()).status for _ in range(6)} == {404}

    await eventually(all_have_them)

    assert before.status == 200


async def test_a_port_that_somebody_else_shares_is_not_taken_in_silence() -> None:
    with listening_socket("127.0.0.1", 0, shared=True) as other:
        workers = Workers("127.0.0.1", other.getsockname()[1], 2, LocalQuotaStore(SystemClock()))
        with pytest.raises(StartFailed, match="is taken by another program"):
            await workers.start()


def _pids(workers: Workers) -> list[int]:
    return [each._process.pid for each in workers.running]


def test_each_has_its_part_of_what_is_allowed() -> None:
    share = share_of(GatewaySettings(workers=3, max_connections=10, max_in_flight=9))

    assert (share.max_connections, share.max_in_flight, share.ops_port) == (4, 3, 0)


def test_metrics_are_added_up_and_states_are_not() -> None:
    counter = "# HELP a_total A.\n# TYPE a_total counter\n"
    state = '# HELP b_state B.\nb_state{s="open"} 1.0\n'
    first = counter + 'a_total{x="1"} 1.0\n' + state
    second = counter + 'a_total{x="1"} 2.0\na_total{x="2"} 5.0\n' + state

    assert merged([first, second]).splitlines() == [
        "# HELP a_total A.",
        "# TYPE a_total counter",
        'a_total{x="1"} 3.0',
        'a_total{x="2"} 5.0',
        "# HELP b_state B.",
        'b_state{s="open"} 1.0',
    ]
