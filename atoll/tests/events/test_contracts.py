"""A contract may be added to; every other change is explained."""

import copy
from typing import Any, Literal

import msgspec
import pytest

from atoll.events.contracts import breaks, document
from atoll.events.envelope import EventType
from atoll.wire import Model


class Line(Model):
    product_id: str
    quantity: int


class Placed(Model):
    order_id: str
    status: Literal["new", "old"]
    lines: tuple[Line, ...]
    note: str | None = None


BEFORE = document([EventType("order.placed", Placed), EventType("line.added", Line)])


def changed(change: Any) -> dict[str, Any]:
    after = copy.deepcopy(BEFORE)
    change(after["$defs"]["Placed"], after["$defs"]["Line"], after)
    return after


def test_the_same_contracts_break_nothing() -> None:
    assert [] == breaks(BEFORE, BEFORE)


def test_a_document_is_json_and_the_same_each_time() -> None:
    again = document([EventType("line.added", Line), EventType("order.placed", Placed)])

    assert msgspec.json.encode(BEFORE) == msgspec.json.encode(again)


@pytest.mark.parametrize(
    "change",
    [
        lambda placed, line, after: placed["properties"].update(gift={"type": "boolean", "default": False}),
        lambda placed, line, after: after["events"].update({"order.lost": {"type": "object"}}),
        lambda placed, line, after: placed.update(description="Better words."),
        lambda placed, line, after: placed["properties"]["note"].update(default="none"),
    ],
)
def test_what_is_added_breaks_nothing(change: Any) -> None:
    assert [] == breaks(BEFORE, changed(change))


@pytest.mark.parametrize(
    ("change", "explanation"),
    [
        (
            lambda placed, line, after: after["events"].pop("line.added"),
            "line.added is gone: those who wait for it would wait for ever. Keep sending it.",
        ),
        (
            lambda placed, line, after: placed["properties"].pop("note"),
            "order.placed/note is gone: those who read it would miss it. Keep sending it.",
        ),
        (
            lambda placed, line, after: placed["properties"]["orderId"].update(type="integer"),
            "order.placed/orderId: type was 'string' and is now 'integer'. Make a new field instead.",
        ),
        (
            lambda placed, line, after: placed["properties"]["orderId"].update(maxLength=3),
            "order.placed/orderId: maxLength was not said and is now 3. Make a new field instead.",
        ),
        (
            lambda placed, line, after: placed["required"].append("note"),
            "order.placed/note must now be there: events from before have none. Leave it optional.",
        ),
        (
            lambda placed, line, after: placed["required"].remove("orderId"),
            "order.placed/orderId may now be missing: those who rely on it would fail. Keep it required.",
        ),
        (
            lambda placed, line, after: (placed["properties"].update(x={}), placed["required"].append("x")),
            "order.placed/x is new and must be there: events from before have none. Give it a default.",
        ),
        (
            lambda placed, line, after: placed["properties"]["status"]["enum"].remove("old"),
            "order.placed/status can no longer be 'old': events from before are. Keep the value.",
        ),
        (
            lambda placed, line, after: placed["properties"]["status"]["enum"].append("odd"),
            "order.placed/status can now be 'odd': code from before does not know it. Make a new field instead.",
        ),
        (
            lambda placed, line, after: placed["properties"]["note"]["anyOf"].pop(),
            "order.placed/note was one of 2 kinds and is now one of 1. Make a new field instead.",
        ),
    ],
)
def test_a_break_is_explained(change: Any, explanation: str) -> None:
    assert [explanation] == breaks(BEFORE, changed(change))


def test_what_is_referred_to_is_compared_too_and_told_once() -> None:
    def change(placed: Any, line: Any, after: Any) -> None:
        line["properties"]["quantity"]["type"] = "string"

    assert [
        "line.added/quantity: type was 'integer' and is now 'string'. Make a new field instead.",
        "order.placed/lines, items/quantity: type was 'integer' and is now 'string'. Make a new field instead.",
    ] == sorted(breaks(BEFORE, changed(change)))
