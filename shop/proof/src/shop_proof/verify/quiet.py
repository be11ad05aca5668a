"""Waiting until nothing is pending, and noticing when something moves all the same."""

from typing import NamedTuple

from atoll.clock import Clock
from shop_proof.verify.events import on_their_way
from shop_proof.verify.records import Databases

LOOK_EVERY = 0.1
"""Seconds between two looks; no event reaches a program that only reads."""

_PENDING = "SELECT count(*) FROM orders WHERE status = 'pending'"
_HELD = "SELECT count(*) FROM reservations WHERE state = 'held'"
_ORDERS = "SELECT count(*), max(updated_at) FROM orders"
_KEPT = "SELECT count(*), max(created_at) FROM kept_answers"
_LEDGER = "SELECT count(*) FROM stock_ledger"
_RESERVATIONS = "SELECT count(*), max(updated_at) FROM reservations"
_EVENTS = "SELECT count(*), max(published_at) FROM outbox"


class Unrest(NamedTuple):
    """What is still to be decided: pending orders, holds that are not settled, events that were not acted on."""

    pending: int
    held: int
    events: int

    def __bool__(self) -> bool:
        return any(self)


async def wait_until_quiet(databases: Databases, clock: Clock, seconds: float) -> Unrest:
    """Return when nothing is pending, held or on its way, or after so many seconds; what is left by then."""
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
        await databases.users.fetch_one(_EVENTS),
        await databases.products.fetch_one(_EVENTS),
        await databases.orders.fetch_one(_EVENTS),
    )


async def _look(databases: Databases) -> Unrest:
    (pending,) = await databases.orders.fetch_one(_PENDING) or (0,)
    (held,) = await databases.products.fetch_one(_HELD) or (0,)
    return Unrest(pending, held, await on_their_way(databases))
