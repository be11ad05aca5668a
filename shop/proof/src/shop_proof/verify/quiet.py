"""Waiting until nothing is pending, and noticing when something moves all the same."""

from typing import NamedTuple

from atoll.clock import Clock
from shop_proof.verify.records import Databases

LOOK_EVERY = 0.1
"""Seconds between two looks; no event reaches a program that only reads."""

_OWED = "SELECT count(*) FROM orders WHERE owed IS NOT NULL"
_HELD = "SELECT count(*) FROM reservations WHERE state = 'held'"
_ORDERS = "SELECT count(*), max(updated_at) FROM orders"
_KEPT = "SELECT count(*), max(created_at) FROM kept_answers"
_LEDGER = "SELECT count(*) FROM stock_ledger"
_RESERVATIONS = "SELECT count(*), max(updated_at) FROM reservations"


class Unrest(NamedTuple):
    """What is still to be decided: orders of which products must be told something, and holds that are not settled."""

    owed: int
    held: int

    def __bool__(self) -> bool:
        return bool(self.owed or self.held)


async def wait_until_quiet(databases: Databases, clock: Clock, seconds: float) -> Unrest:
    """Return when nothing is pending and nothing is held, or after so many seconds; what is left by then."""
    give_up = clock.monotonic() + seconds
    while (unrest := await _look(databases)) and clock.monotonic() < give_up:
        await clock.sleep(LOOK_EVERY)
    return unrest


async def footprint(databases: Databases) -> tuple[object, ...]:
    """Something that is different after any order, hold or change of stock. Costs a scan of the larger tables."""
    return (
        await databases.orders.fetch_one(_ORDERS),
        await databases.orders.fetch_one(_KEPT),
        await databases.products.fetch_one(_LEDGER),
        await databases.products.fetch_one(_RESERVATIONS),
    )


async def _look(databases: Databases) -> Unrest:
    (owed,) = await databases.orders.fetch_one(_OWED) or (0,)
    (held,) = await databases.products.fetch_one(_HELD) or (0,)
    return Unrest(owed, held)
