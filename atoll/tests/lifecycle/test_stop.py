"""Asking for a stop: once, whoever asks, and whatever is going on."""

import asyncio
import threading

import pytest

from atoll.lifecycle import Stop
from atoll.lifecycle.stop import StopRequested, signals_to


async def test_whoever_waits_is_woken() -> None:
    stop = Stop()
    waiting = asyncio.create_task(stop.requested())
    await asyncio.sleep(0)
    before = waiting.done()
    stop.request("enough")
    await waiting

    assert (False, "enough") == (before, stop.reason)


async def test_the_first_reason_counts_and_the_highest_exit_code() -> None:
    stop = Stop()
    stop.request("SIGTERM")
    stop.request("a job failed", exit_code=1)
    stop.request("SIGTERM")

    assert ("SIGTERM", 1) == (stop.reason, stop.exit_code)


class TestInterrupting:
    async def test_breaks_off_what_waits(self) -> None:
        stop = Stop()
        asyncio.get_running_loop().call_soon(stop.request, "enough")

        with pytest.raises(StopRequested, match="enough"):
            async with stop.interrupts():
                await asyncio.Event().wait()

    async def test_breaks_off_at_once_what_comes_too_late(self) -> None:
        stop = Stop()
        stop.request("enough")

        with pytest.raises(StopRequested):
            async with stop.interrupts():
                await asyncio.Event().wait()

    async def test_lets_what_is_interrupted_clean_up(self) -> None:
        stop, cleaned = Stop(), asyncio.Event()
        asyncio.get_running_loop().call_soon(stop.request, "enough")

        async def careful() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.set()

        with pytest.raises(StopRequested):
            async with stop.interrupts():
                await careful()
        assert cleaned.is_set()

    async def test_does_nothing_to_what_has_ended(self) -> None:
        stop = Stop()
        async with stop.interrupts():
            await asyncio.sleep(0)
        stop.request("enough")
        await asyncio.sleep(0)

        assert "enough" == stop.reason

    async def test_lets_other_errors_through(self) -> None:
        with pytest.raises(TimeoutError):
            async with Stop().interrupts():
                raise TimeoutError

    async def test_lets_a_cancellation_from_outside_through(self) -> None:
        stop = Stop()

        async def interrupted() -> None:
            async with stop.interrupts():
                await asyncio.Event().wait()

        task = asyncio.create_task(interrupted())
        await asyncio.sleep(0)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


def test_signals_are_left_alone_outside_of_the_main_thread() -> None:
    async def with_signals() -> str:
        with signals_to(Stop()):
            return "fine"

    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(with_signals())))
    thread.start()
    thread.join()

    assert ["fine"] == results
