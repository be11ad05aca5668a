"""Stopping a real process: nothing that was received is lost, and nothing takes for ever."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from atoll.testing.hammer import Hammer
from atoll.testing.raw_http import connected
from atoll.testing.service_process import ServiceProcess

pytestmark = pytest.mark.system

Start = Callable[..., Awaitable[ServiceProcess]]

NOW = b"GET /now HTTP/1.1\r\nHost: test\r\n\r\n"


def slow(seconds: float) -> bytes:
    return b"GET /slow?seconds=%g HTTP/1.1\r\nHost: test\r\n\r\n" % seconds


async def stopping(service: ServiceProcess, number: int = signal.SIGTERM) -> None:
    """Ask for the stop, and return when it has begun."""
    service.signal(number)
    while not (await service.told()).get("stopping"):
        pass


class TestUnderLoad:
    @pytest.mark.parametrize("repetition", range(8))
    async def test_no_request_on_kept_connections_is_lost(self, service: ServiceProcess, repetition: int) -> None:
        hammer = Hammer(service.port, NOW)
        hammering = asyncio.create_task(hammer.run(clients=16))
        await hammer.answered(200 + 37 * repetition)

        service.signal()
        await hammering
        ended = await service.ended()

        assert (0, 0, 0) == (hammer.counts["lost"], hammer.counts["failed"], ended.code)
        assert hammer.counts["told to close"] >= 16

    @pytest.mark.parametrize("repetition", range(8))
    async def test_no_request_on_new_connections_is_lost(self, service: ServiceProcess, repetition: int) -> None:
        hammer = Hammer(service.port, NOW, reuse=1)
        hammering = asyncio.create_task(hammer.run(clients=16))
        await hammer.answered(200 + 37 * repetition)

        service.signal()
        await hammering
        ended = await service.ended()

        assert (0, 0, 0) == (hammer.counts["lost"], hammer.counts["failed"], ended.code)

    @pytest.mark.parametrize("repetition", range(4))
    async def test_clients_that_think_between_requests_lose_none(
        self, service: ServiceProcess, repetition: int
    ) -> None:
        hammer = Hammer(service.port, NOW, thinking=0.05)
        hammering = asyncio.create_task(hammer.run(clients=32))
        await hammer.answered(200 + 37 * repetition)

        service.signal()
        await hammering
        ended = await service.ended()

        assert (0, 0, 0) == (hammer.counts["lost"], hammer.counts["failed"], ended.code)
        assert hammer.counts["told to close"] == 32


class TestRequestsInHand:
    async def test_a_slow_one_finishes(self, service: ServiceProcess) -> None:
        async with connected(service.port) as client:
            await client.send(slow(0.5))
            async with connected(service.port) as other:
                await other.request(NOW)  # so the slow one is in hand
            await stopping(service)
            answer = await client.answer()

        ended = await service.ended()

        assert (200, b'{"slept":0.5}', "close") == (answer.status, answer.body, answer.fields["connection"])
        assert ended.code == 0

    async def test_an_answer_that_has_begun_finishes_and_the_next_one_says_close(self, service: ServiceProcess) -> None:
        async with connected(service.port) as client:
            await client.send(b"GET /drip?seconds=0.4 HTTP/1.1\r\nHost: test\r\n\r\n")
            _, fields = await client.head()
            first = await client.chunk()
            await stopping(service)
            rest = [await client.chunk(), await client.chunk()]
            next_answer = await client.request(NOW)

        ended = await service.ended()

        assert (b"first ", [b"last", b""]) == (first, rest)
        assert "connection" not in fields
        assert (200, "close") == (next_answer.status, next_answer.fields["connection"])
        assert ended.code == 0

    async def test_pipelined_ones_are_all_answered_and_only_the_last_says_close(self, service: ServiceProcess) -> None:
        async with connected(service.port) as client:
            await client.send(slow(0.3) + NOW + NOW)
            async with connected(service.port) as other:
                await other.request(NOW)
            await stopping(service)
            await client.send(NOW)
            answers = [await client.answer() for _ in range(4)]
            closed = await client.is_closed()

        ended = await service.ended()

        assert [200] * 4 == [answer.status for answer in answers]
        assert [None, None, None, "close"] == [answer.fields.get("connection") for answer in answers]
        assert closed
        assert ended.code == 0

    async def test_one_that_takes_longer_than_the_graceful_timeout_is_cut(self, start: Start) -> None:
        service = await (await start(graceful_timeout=0.3)).ready()
        async with connected(service.port) as client:
            await client.send(slow(30))
            async with connected(service.port) as other:
                await other.request(NOW)
            began = time.monotonic()
            service.signal()
            cut = await client.is_closed()

        ended = await service.ended()

        assert cut
        assert ended.code == 0
        assert 1 == ended.line("requests cut")["requests"]
        assert 0.3 <= time.monotonic() - began < 10


class TestIdleConnections:
    async def test_requests_that_come_while_it_stops_are_answered_and_soon_told_to_close(
        self, service: ServiceProcess
    ) -> None:
        async with connected(service.port) as client:
            before = await client.request(NOW)
            await stopping(service)
            after = await client.request(NOW)
            while "connection" not in after.fields:
                after = await client.request(NOW)
            closed = await client.is_closed()

        assert "connection" not in before.fields
        assert (200, "close", True) == (after.status, after.fields["connection"], closed)

    async def test_are_closed_after_a_moment(self, service: ServiceProcess) -> None:
        async with connected(service.port) as used, connected(service.port) as never_used:
            await used.request(NOW)
            began = time.monotonic()
            service.signal()
            closed = [await used.is_closed(), await never_used.is_closed()]
            ended = await service.ended()

        assert [True, True] == closed
        assert ended.code == 0
        assert time.monotonic() - began < 10

    async def test_half_a_head_holds_the_stop_up_no_longer(self, service: ServiceProcess) -> None:
        async with connected(service.port) as client:
            await client.send(b"GET /now HTT")
            began = time.monotonic()
            service.signal()
            closed = await client.is_closed()
            ended = await service.ended()

        assert closed
        assert ended.code == 0
        assert time.monotonic() - began < 10

    async def test_no_new_ones_are_taken(self, service: ServiceProcess) -> None:
        async with connected(service.port) as client:
            await client.send(slow(0.5))
            async with connected(service.port) as other:
                await other.request(NOW)
            await stopping(service)
            await client.answer()
            await service.ended()

            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await asyncio.open_connection("127.0.0.1", service.port)


class TestOrder:
    async def test_jobs_and_resources_end_after_the_last_answer(self, service: ServiceProcess) -> None:
        service.signal()
        ended = await service.ended()

        assert ["resource starts", "serving", "stopping", "job ended", "resource closed", "stopped"] == ended.events
        assert "SIGTERM" == ended.line("stopping")["reason"]

    async def test_the_supervisor_hears_that_it_stops(self, service: ServiceProcess) -> None:
        service.signal()

        assert [{"stopping": True}, {}] == [await service.told(), await service.told()]

    async def test_control_c_stops_as_gracefully(self, service: ServiceProcess) -> None:
        service.signal(signal.SIGINT)
        ended = await service.ended()

        assert (0, "") == (ended.code, ended.errors)
        assert ended.events[-1] == "stopped"

    async def test_a_supervisor_that_is_gone_stops_it_gracefully(self, service: ServiceProcess) -> None:
        async with connected(service.port) as client:
            await client.send(slow(0.3))
            async with connected(service.port) as other:
                await other.request(NOW)
            service.abandon()
            answer = await client.answer()

        ended = await service.ended()

        assert (200, 0) == (answer.status, ended.code)
        assert ended.line("stopping")["reason"] == "the supervisor is gone"

    async def test_a_stop_while_it_starts_breaks_the_start_off(self, start: Start) -> None:
        service = await start(stubborn=True)
        await service.said("resource starts")

        service.signal()
        ended = await service.ended()

        assert (0, "stopped") == (ended.code, ended.events[-1])


class TestSecondSignal:
    @pytest.mark.parametrize(
        ("second", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
    )
    async def test_ends_it_at_once(self, service: ServiceProcess, second: int, code: int) -> None:
        async with connected(service.port) as client:
            await client.send(slow(60))
            async with connected(service.port) as other:
                await other.request(NOW)
            await stopping(service)
            service.signal(second)
            ended = await service.ended()

        assert ended.code == code
        assert "stopped" not in ended.events

    async def test_ends_it_even_when_the_loop_is_blocked(self, service: ServiceProcess) -> None:
        async with connected(service.port) as client, connected(service.port) as other:
            await other.request(NOW)
            await client.send(slow(60))
            await other.request(NOW)
            await stopping(service)
            await other.send(b"GET /block?seconds=60 HTTP/1.1\r\nHost: test\r\n\r\n")
            service.signal()
            ended = await service.ended()

        assert ended.code == 143


class TestFailedJob:
    async def test_is_logged_whole_and_ends_the_process_with_code_1(self, service: ServiceProcess) -> None:
        async with connected(service.port) as client:
            answer = await client.request(b"POST /break HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        ended = await service.ended()

        assert (204, 1) == (answer.status, ended.code)
        failure = ended.line("job failed")
        assert failure["job"] == "fragile"
        assert failure["exception"].startswith("Traceback (most recent call last):")
        assert "RuntimeError: the job broke" in failure["exception"]
        assert ended.line("stopping")["reason"] == "The job fragile failed: RuntimeError('the job broke')"

    async def test_lets_requests_in_hand_finish(self, service: ServiceProcess) -> None:
        async with connected(service.port) as client, connected(service.port) as other:
            await client.send(slow(0.5))
            await other.request(b"POST /break HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
            answer = await client.answer()
        ended = await service.ended()

        assert (200, 1) == (answer.status, ended.code)
