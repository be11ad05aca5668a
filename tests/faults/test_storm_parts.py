"""The parts of the storm that decide and judge, without a shop."""

import asyncio
import itertools
from pathlib import Path

import pytest
from tests.faults.storm.bound import sentence, upper_bound
from tests.faults.storm.event_books import EventBooks
from tests.faults.storm.in_flight import InFlight, Watching
from tests.faults.storm.plan import BROKER, DISK, POSTGRES, Fault, storm

from shop_proof.history import HistoryFile

TARGETS = ["gateway", "orders", "orders-2", BROKER, DISK, POSTGRES]
ORDER = ("order-1", 1, "pending")


def books() -> EventBooks:
    """One order, told and settled."""
    return EventBooks(
        said={"e1": "order.created", "e2": "inventory.updated"},
        told_states={ORDER},
        states={ORDER},
        noted={"orders": {"e2"}, "products": {"e1"}},
    )


def test_a_seed_means_the_same_faults() -> None:
    assert storm("7", TARGETS, seconds=100) == storm("7", TARGETS, seconds=100)
    assert storm("7", TARGETS, seconds=100) != storm("8", TARGETS, seconds=100)


def test_nobody_is_hurt_while_still_hurt_and_each_only_as_is_possible() -> None:
    steps = storm("7", TARGETS, seconds=1000, long_stop=12)

    for target in TARGETS:
        own = [step for step in steps if step.target == target]
        assert all(one.at + one.seconds <= other.at for one, other in itertools.pairwise(own))
    assert {Fault.FILL} == {step.fault for step in steps if step.target == DISK}
    assert {Fault.KILL} == {step.fault for step in steps if step.target == POSTGRES}
    assert {Fault.KILL, Fault.FREEZE} == {step.fault for step in steps if step.target == "gateway"}
    assert {Fault.KILL, Fault.FREEZE, Fault.WIPE, Fault.STOP} == {s.fault for s in steps if s.target == BROKER}
    assert 1 == sum(step.seconds == 12 for step in steps)


def test_the_bound_is_that_of_the_rule_of_three() -> None:
    assert 1.0 == upper_bound(0)
    assert 0.95 == pytest.approx(upper_bound(1))
    assert 3 / 300 == pytest.approx(upper_bound(300), rel=0.01)
    assert "0 of 300: under 0.99 % each, at 95 %" == sentence(300)


def test_books_that_agree_have_no_findings() -> None:
    assert [] == books().findings()


def test_an_event_that_nobody_acted_on_is_found() -> None:
    lost = books()
    lost.noted["products"].clear()

    assert ["products: order.created e1 was not noted"] == lost.findings()


def test_an_event_that_nobody_said_is_found() -> None:
    invented = books()
    invented.noted["products"].add("e9")

    assert ["products: e9 was noted, and nobody has said it"] == invented.findings()


def test_an_event_that_was_never_sent_is_found() -> None:
    kept_back = books()
    kept_back.unpublished.add("e1")

    assert ["order.created e1 was never published"] == kept_back.findings()


def test_a_state_without_its_event_and_an_event_without_its_state_are_found() -> None:
    silent, lying = books(), books()
    silent.told_states.clear()
    lying.states.clear()

    assert [f"nobody was told of {ORDER}"] == silent.findings()
    assert [f"an event tells of {ORDER}, which never was"] == lying.findings()


async def test_what_is_sent_and_not_answered_is_in_flight(tmp_path: Path) -> None:
    with HistoryFile(tmp_path / "history.jsonl", "here") as history:
        watching = Watching(history.path, {})
        numbers = [history.sent(by="ann", method="POST", path="/api/orders") for _ in range(3)]
        first = await watching.now()
        history.answered(numbers[0], 201, b"{}")
        history.unanswered(numbers[2], "gone")
        second = await watching.now()
        await asyncio.to_thread(_write_half_a_line, history.path)

        assert [InFlight(3, 0), InFlight(1, 0), InFlight(1, 0)] == [first, second, await watching.now()]


def _write_half_a_line(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"line":"sent","num')
