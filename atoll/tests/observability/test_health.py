"""The bodies of /health and /ready."""

import asyncio
import os
import sys
from datetime import UTC, datetime

import msgspec
import pytest
from structlog.testing import capture_logs

from atoll.observability.health import Health, resident_bytes
from atoll.testing.clock import ManualClock


async def fine() -> None:
    return


async def broken() -> None:
    raise ConnectionError("the database is away")


async def silent() -> None:
    raise ValueError


async def hanging() -> None:
    await asyncio.Event().wait()


class TestLiveness:
    def test_tells_of_the_process(self) -> None:
        liveness = Health("orders", version="1.2.3").liveness()

        assert ("healthy", "orders", "1.2.3", os.getpid()) == (
            liveness.status,
            liveness.service,
            liveness.version,
            liveness.pid,
        )
        assert liveness.memory.rss > 1_000_000

    async def test_uptime_is_in_seconds_since_it_was_made(self) -> None:
        clock = ManualClock()
        health = Health("orders", clock=clock)
        await clock.advance(90.5)

        liveness = health.liveness()

        assert 90.5 == liveness.uptime
        assert datetime(2030, 1, 1, 0, 1, 30, 500000, tzinfo=UTC) == liveness.timestamp

    def test_is_written_in_the_words_of_the_contract(self) -> None:
        body = msgspec.json.decode(msgspec.json.encode(Health("orders", clock=ManualClock()).liveness()))

        assert ["status", "service", "timestamp", "uptime", "memory", "pid", "version"] == list(body)
        assert "2030-01-01T00:00:00Z" == body["timestamp"]


class TestReadiness:
    async def test_without_checks_it_is_ready(self) -> None:
        report = await Health("orders").readiness()

        assert (True, 200, {}) == (report.ready, report.http_status, report.checks)

    async def test_names_every_check_in_the_order_given(self) -> None:
        report = await Health("orders", checks={"database": fine, "broker": fine, "a": fine}).readiness()

        assert ["database", "broker", "a"] == list(report.checks)
        assert {"up"} == {check.status for check in report.checks.values()}
        assert report.ready

    async def test_one_that_fails_makes_it_unready_and_says_why(self) -> None:
        report = await Health("orders", checks={"database": broken, "broker": fine}).readiness()

        assert ("unready", 503) == (report.status, report.http_status)
        assert ("down", "the database is away") == (report.checks["database"].status, report.checks["database"].detail)
        assert "up" == report.checks["broker"].status

    async def test_only_changes_are_logged_however_often_somebody_asks(self) -> None:
        working = iter((True, False, False, False, True, True, False))

        async def database() -> None:
            if not next(working):
                raise ConnectionError("away")

        health = Health("orders", checks={"database": database, "broker": fine})
        with capture_logs() as lines:
            for _ in range(7):
                await health.readiness()

        assert ["warning", "info", "warning"] == [line["log_level"] for line in lines]

    async def test_an_error_without_words_is_named(self) -> None:
        report = await Health("orders", checks={"database": silent}).readiness()

        assert "ValueError" == report.checks["database"].detail

    async def test_one_that_hangs_is_given_up_after_the_timeout(self) -> None:
        report = await Health("orders", checks={"database": hanging, "broker": fine}, timeout=0.05).readiness()

        assert "no answer within 0.05 s" == report.checks["database"].detail
        assert "up" == report.checks["broker"].status

    async def test_all_run_at_once(self) -> None:
        together = asyncio.Barrier(3)

        async def meet() -> None:
            await together.wait()

        report = await Health("orders", checks={"a": meet, "b": meet, "c": meet}).readiness()

        assert report.ready

    async def test_a_caller_that_leaves_leaves_no_check_behind(self) -> None:
        before = asyncio.all_tasks()
        asking = asyncio.create_task(Health("orders", checks={"a": hanging, "b": hanging}).readiness())
        await asyncio.sleep(0.01)
        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0)
        assert before == asyncio.all_tasks()

    async def test_a_secret_in_an_error_is_not_told(self) -> None:
        async def leaking() -> None:
            raise ConnectionError("postgresql://orders:hunter2@db/orders does not answer")

        report = await Health("orders", checks={"database": leaking}).readiness()

        assert "postgresql://***@db/orders does not answer" == report.checks["database"].detail


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_resident_memory_is_what_the_kernel_says() -> None:
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmRSS:"))

    assert int(line.split()[1]) * 1024 == pytest.approx(resident_bytes(), rel=0.1)
