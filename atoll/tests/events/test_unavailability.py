import asyncio

from structlog.testing import capture_logs

from atoll.events.broker import BrokerUnavailable
from atoll.events.unavailability import LONGEST_PAUSE, BackOff
from atoll.testing.clock import ManualClock


async def test_a_long_absence_is_told_in_few_lines() -> None:
    clock = ManualClock()
    back_off = BackOff("relay", clock)

    async def fail() -> None:
        for _ in range(100):
            await back_off.pause(BrokerUnavailable("gone"))
        back_off.went_well()

    with capture_logs() as lines:
        failing = asyncio.create_task(fail())
        await clock.wait_for_sleepers()
        await clock.advance(100 * LONGEST_PAUSE)
        await failing

    assert [1, 2, 4, 8, 16, 32, 64, 100] == [line["failures"] for line in lines]
    assert ["events wait"] * 7 + ["events go on"] == [line["event"] for line in lines]
