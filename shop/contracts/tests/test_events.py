"""The contracts of events are only added to."""

import json
from pathlib import Path

from atoll.events.contracts import breaks, document
from shop_contracts.events import ALL, committed_form

COMMITTED = Path(__file__).parents[1] / "events.json"


def test_what_was_agreed_on_still_holds() -> None:
    committed = json.loads(COMMITTED.read_bytes())

    assert [] == breaks(committed, document(ALL))


def test_what_was_added_is_written_down() -> None:
    """After an addition: python -m shop_contracts.events > shop/contracts/events.json"""
    assert committed_form() == COMMITTED.read_bytes()


def test_types_have_names_of_their_own() -> None:
    assert len(ALL) == len({type_.name for type_ in ALL})
