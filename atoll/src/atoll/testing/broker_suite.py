"""What every `Broker` promises, as tests: derive from `BrokerSuite`, and say how to reach yours.

class TestMemory(BrokerSuite):
    @pytest.fixture
    async def broker(self):
        async with MemoryBroker() as broker:
            yield broker

`ServerBrokerSuite` is for those with a server of their own, which may be killed, wiped and frozen.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Protocol

import pytest

from atoll.events.broker import Broker, BrokerUnavailable, Delivery, Message, Subscription

SOON = 0.02
"""Seconds to wait for what is there, or will not come."""

LONG = 10.0


def messages(*bodies: str, topic: str = "a") -> list[Message]:
    return [Message(topic, body.encode()) for body in bodies]


def bodies(deliveries: Iterable[Delivery]) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries]


@asynccontextmanager
async def publishing(broker: Broker, sent: Sequence[Message]) -> AsyncIterator[None]:
    """Publish aside: a broker may wait until somebody has dealt with the messages."""
    task = asyncio.create_task(broker.publish(sent))
    done, _ = await asyncio.wait([task], timeout=SOON)
    for finished in done:
        finished.result()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def read_all(subscription: Subscription, at_most: int = 1000) -> list[str]:
    """Read and acknowledge until nothing more comes."""
    found: list[str] = []
    while deliveries := await subscription.read(at_most, wait=SOON):
        found += bodies(deliveries)
        await subscription.acknowledge(deliveries)
    return found


class BrokerSuite:
    """The promises of `atoll.events.broker`. A class that derives from this one defines `broker`."""

    async def test_what_is_published_arrives_in_order_and_once(self, broker: Broker) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        async with publishing(broker, messages("1", "2", "3")):
            assert ["1", "2", "3"] == await read_all(subscription)
            assert [] == await read_all(subscription)

    async def test_publishing_ends_once_the_message_is_dealt_with_at_the_latest(self, broker: Broker) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        task = asyncio.create_task(broker.publish(messages("1")))
        await subscription.acknowledge(await subscription.read(1, wait=LONG))

        assert await broker.mark() == await asyncio.wait_for(task, LONG)

    async def test_nobody_needs_to_listen(self, broker: Broker) -> None:
        mark = await asyncio.wait_for(broker.publish(messages("1", "2", topic="unheard")), LONG)

        assert await broker.mark() == mark

    async def test_publishing_nothing_is_fine(self, broker: Broker) -> None:
        assert await broker.mark() == await broker.publish([])

    async def test_any_bytes_arrive_as_they_were(self, broker: Broker) -> None:
        body = bytes(range(256)) * 400
        subscription = broker.subscribe("g", ["a"], consumer="c")
        async with publishing(broker, [Message("a", body)]):
            (delivery,) = await subscription.read(1, wait=LONG)

        assert ("a", body, 1) == (delivery.topic, delivery.body, delivery.deliveries)

    async def test_one_read_takes_many_and_not_more_than_asked(self, broker: Broker) -> None:
        subscription = broker.subscribe("g", ["a", "b"], consumer="c")
        sent = messages(*map(str, range(50))) + messages(*map(str, range(50, 100)), topic="b")
        async with publishing(broker, sent):
            first = await subscription.read(30, wait=LONG)
            rest = [await subscription.read(200, wait=SOON), await subscription.read(200, wait=SOON)]

        assert 30 <= len(first) <= 60  # a broker may count for each topic
        assert 100 == len({delivery.body for delivery in [*first, *rest[0], *rest[1]]})

    async def test_reading_waits_for_the_next_message_and_gives_up_in_time(self, broker: Broker) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        assert [] == await subscription.read(1, wait=SOON)

        reading = asyncio.create_task(subscription.read(1, wait=LONG))
        await asyncio.sleep(SOON)
        async with publishing(broker, messages("1")):
            assert ["1"] == bodies(await reading)

    async def test_each_group_gets_every_message(self, broker: Broker) -> None:
        one = broker.subscribe("one", ["a"], consumer="c")
        other = broker.subscribe("other", ["a"], consumer="c")
        async with publishing(broker, messages("1", "2")):
            assert ["1", "2"] == await read_all(one)
            assert ["1", "2"] == await read_all(other)

    async def test_each_message_goes_to_one_consumer_of_a_group(self, broker: Broker) -> None:
        consumers = [broker.subscribe("g", ["a"], consumer=f"c{number}") for number in range(4)]
        async with publishing(broker, messages(*map(str, range(100)))):
            found = await asyncio.gather(*(read_all(consumer, at_most=5) for consumer in consumers))

        assert sorted(map(str, range(100))) == sorted(body for some in found for body in some)

    async def test_only_the_topics_asked_for_arrive(self, broker: Broker) -> None:
        subscription = broker.subscribe("g", ["a", "b"], consumer="c")
        broker.subscribe("h", ["x"], consumer="c")
        sent = [*messages("1"), *messages("2", topic="b"), *messages("3", topic="x")]
        async with publishing(broker, sent):
            found = await subscription.read(10, wait=LONG)
            found += await subscription.read(10, wait=SOON)

        assert {("a", b"1"), ("b", b"2")} == {(delivery.topic, delivery.body) for delivery in found}

    async def test_a_group_starts_with_the_oldest_message_there_is(self, broker: Broker) -> None:
        await asyncio.wait_for(broker.publish(messages("1", "2")), LONG)
        subscription = broker.subscribe("late", ["a"], consumer="c")

        assert ["1", "2"] == await read_all(subscription)

    async def test_what_is_in_hand_is_not_read_again(self, broker: Broker) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        async with publishing(broker, messages("1")):
            await subscription.read(1, wait=LONG)

            assert [] == await subscription.read(1, wait=SOON)

    async def test_a_consumer_of_the_same_name_finds_at_once_what_it_left_behind(self, broker: Broker) -> None:
        before = broker.subscribe("g", ["a"], consumer="c")
        async with publishing(broker, messages("1", "2", "3")):
            first, *_ = await before.read(10, wait=LONG)
            await before.acknowledge([first])
            again = broker.subscribe("g", ["a"], consumer="c")
            found = await again.read(10, wait=LONG)

        assert [("2", 2), ("3", 2)] == [(delivery.body.decode(), delivery.deliveries) for delivery in found]

    async def test_what_was_left_behind_comes_before_what_is_new(self, broker: Broker) -> None:
        before = broker.subscribe("g", ["a"], consumer="c")
        async with publishing(broker, messages("old")):
            await before.read(10, wait=LONG)
            async with publishing(broker, messages("new")):
                again = broker.subscribe("g", ["a"], consumer="c")
                found = [*await again.read(1, wait=LONG), *await again.read(1, wait=LONG)]

        assert ["old", "new"] == bodies(found)

    async def test_what_a_dead_consumer_left_behind_is_taken_over_when_it_is_stale(self, broker: Broker) -> None:
        dead = broker.subscribe("g", ["a"], consumer="dead")
        async with publishing(broker, messages("1")):
            await dead.read(1, wait=LONG)
            patient = broker.subscribe("g", ["a"], consumer="patient", stale_after=3600)
            heir = broker.subscribe("g", ["a"], consumer="heir", stale_after=0.05)
            assert [] == await patient.read(1, wait=SOON)
            await asyncio.sleep(0.06)  # the broker's own clock decides

            (delivery,) = await heir.read(1, wait=LONG)

        assert (b"1", 2) == (delivery.body, delivery.deliveries)

    async def test_what_is_released_can_be_read_by_others_at_once(self, broker: Broker) -> None:
        leaving = broker.subscribe("g", ["a"], consumer="leaving", stale_after=3600)
        async with publishing(broker, messages("1", "2")):
            await leaving.read(2, wait=LONG)
            await leaving.release()
            await leaving.release()
            staying = broker.subscribe("g", ["a"], consumer="staying", stale_after=3600)

            assert ["1", "2"] == await read_all(staying)

    async def test_a_cancelled_read_loses_nothing(self, broker: Broker) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        for number in range(10):
            reading = asyncio.create_task(subscription.read(1, wait=LONG))
            await asyncio.sleep(0.001 * (number % 3))
            async with publishing(broker, messages(str(number))):
                reading.cancel()
                (outcome,) = await asyncio.gather(reading, return_exceptions=True)
                found = bodies(outcome) if isinstance(outcome, list) else []
                if isinstance(outcome, list):
                    await subscription.acknowledge(outcome)
                assert [str(number)] == found + await read_all(subscription)

    async def test_acknowledging_twice_is_fine(self, broker: Broker) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        async with publishing(broker, messages("1")):
            found = await subscription.read(1, wait=LONG)
            await subscription.acknowledge(found)
            await subscription.acknowledge(found)

            assert [] == await subscription.read(1, wait=SOON)

    async def test_the_backlog_counts_what_is_not_acknowledged(self, broker: Broker) -> None:
        subscription = broker.subscribe("g", ["a", "b"], consumer="c")
        await subscription.read(1, wait=SOON)
        async with publishing(broker, messages("1", "2", "3")):
            assert {"a": 3, "b": 0} == await broker.backlog("g", ["a", "b"])
            found = await subscription.read(2, wait=LONG)
            assert {"a": 3, "b": 0} == await broker.backlog("g", ["a", "b"])
            await subscription.acknowledge(found)
            assert {"a": 1, "b": 0} == await broker.backlog("g", ["a", "b"])

    async def test_a_mark_stays_while_nothing_is_lost(self, broker: Broker) -> None:
        first = await broker.mark()
        await broker.publish(messages("1", topic="unheard"))

        assert first == await broker.mark()

    async def test_a_broker_that_answers_is_ready(self, broker: Broker) -> None:
        await broker.check()


class BrokerServer(Protocol):
    """A server that tests may do things to."""

    async def kill(self) -> None:
        """End it at once, keeping what it had made durable."""

    async def start(self) -> None:
        """Start it with what it has."""

    async def restart(self) -> None:
        """Kill it and start it."""

    async def wipe(self) -> None:
        """Kill it, and start it with nothing."""

    def frozen(self) -> AbstractContextManager[None]:
        """Within, it accepts connections and answers nothing."""


class ServerBrokerSuite(BrokerSuite):
    """The same, and what holds when something happens to the server; `server` is the one behind `broker`."""

    async def test_published_is_durable(self, broker: Broker, server: BrokerServer) -> None:
        await broker.publish(messages(*map(str, range(100))))
        await server.restart()

        assert [str(number) for number in range(100)] == await read_all(broker.subscribe("g", ["a"], consumer="c"))

    async def test_what_is_in_hand_survives_a_restart_of_the_server(self, broker: Broker, server: BrokerServer) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        await broker.publish(messages("1", "2"))
        first, _ = await subscription.read(2, wait=LONG)
        await server.restart()
        await subscription.acknowledge([first])

        assert ["2"] == await read_all(broker.subscribe("g", ["a"], consumer="c"))

    async def test_a_restarted_server_is_another_run_of_the_same_epoch(
        self, broker: Broker, server: BrokerServer
    ) -> None:
        before = await broker.mark()
        await server.restart()
        after = await broker.mark()

        assert before.epoch == after.epoch
        assert before.run != after.run

    async def test_a_wiped_server_begins_a_new_epoch_and_takes_messages(
        self, broker: Broker, server: BrokerServer
    ) -> None:
        before = await broker.publish(messages("1"))
        await server.wipe()
        after = await broker.publish(messages("2"))

        assert before.epoch != after.epoch

    async def test_a_subscription_goes_on_after_the_server_was_wiped(
        self, broker: Broker, server: BrokerServer
    ) -> None:
        subscription = broker.subscribe("g", ["a", "b"], consumer="c")
        await broker.publish(messages("1"))
        in_hand = await subscription.read(1, wait=LONG)
        await server.wipe()
        await broker.publish(messages("2"))
        with suppress(BrokerUnavailable):
            await subscription.acknowledge(in_hand)

        assert ["2"] == await read_all(subscription)

    async def test_a_group_that_missed_what_others_let_go_asks_for_everything_again(
        self, broker: Broker, server: BrokerServer
    ) -> None:
        quick, slow = (broker.subscribe(group, ["a"], consumer="c") for group in ("quick", "slow"))
        before = await broker.publish(messages("1"))
        assert ["1"] == await read_all(quick)
        await self.trimmed(broker)
        assert before == await broker.mark()

        await read_all(slow)

        assert before.epoch != (await broker.mark()).epoch

    async def test_a_group_that_missed_nothing_asks_for_nothing(self, broker: Broker) -> None:
        before = await broker.publish(messages("1"))
        assert ["1"] == await read_all(broker.subscribe("g", ["a"], consumer="c"))

        assert before == await broker.mark()

    async def test_a_server_that_is_away_is_said_to_be_unavailable(self, broker: Broker, server: BrokerServer) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        await server.kill()
        for use in (
            broker.publish(messages("1")),
            broker.mark(),
            broker.check(),
            broker.backlog("g", ["a"]),
            subscription.read(1, wait=SOON),
        ):
            with pytest.raises(BrokerUnavailable):
                await use
        await server.start()

        await broker.publish(messages("1"))
        assert ["1"] == await read_all(subscription)

    async def test_a_read_that_waits_hears_of_the_end_of_the_server(self, broker: Broker, server: BrokerServer) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        await subscription.read(1, wait=SOON)
        reading = asyncio.create_task(subscription.read(1, wait=LONG))
        await asyncio.sleep(SOON)
        await server.kill()

        with pytest.raises(BrokerUnavailable):
            await reading

    @pytest.mark.timeout(60)
    async def test_a_frozen_server_is_unavailable_in_bounded_time_and_loses_nothing(
        self, broker: Broker, server: BrokerServer
    ) -> None:
        subscription = broker.subscribe("g", ["a"], consumer="c")
        await broker.publish(messages("1"))
        with server.frozen(), pytest.raises(BrokerUnavailable):
            async with asyncio.timeout(20):
                await subscription.read(1, wait=SOON)

        assert ["1"] == await read_all(subscription)

    async def test_what_is_acknowledged_by_all_is_trimmed_and_nothing_else(self, broker: Broker) -> None:
        one, other = (broker.subscribe(group, ["a"], consumer="c") for group in ("one", "other"))
        for subscription in (one, other):
            await subscription.read(1, wait=SOON)
        await broker.publish(messages("1", "2", "3", "4"))
        assert ["1", "2", "3", "4"] == await read_all(one)
        first, second, third, _ = await other.read(4, wait=LONG)
        await other.acknowledge([first, third])
        await self.trimmed(broker)
        assert ["2", "3", "4"] == await self.held(broker, "a")

        await other.acknowledge([second])
        await self.trimmed(broker)
        assert ["4"] == await self.held(broker, "a")

    async def trimmed(self, broker: Broker) -> None:
        """Return when the topic `a` of the broker has been trimmed."""
        raise NotImplementedError

    async def held(self, broker: Broker, topic: str) -> list[str]:
        """The bodies that the broker still holds."""
        raise NotImplementedError
