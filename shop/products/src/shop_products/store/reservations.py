"""Holds of orders. The lines are one JSON text, written once and read whole, whatever their number."""

from collections.abc import Callable, Sequence
from datetime import datetime

from atoll import wire
from atoll.clock import from_millis, to_millis
from atoll.storage import Reading, Row, Transaction, Value, listing
from shop_contracts.products import Reservation, ReservationState, ReservedLine
from shop_products.contention import Overtaken

_FIND = "SELECT order_id, state, lines, expires_at FROM reservations WHERE order_id = $1"

_STATE = "SELECT state FROM reservations WHERE order_id = $1"

_STATES = "SELECT order_id, state FROM reservations WHERE order_id IN ({})"

_HOLD_MANY = """
    INSERT INTO reservations (order_id, state, lines, expires_at, created_at, updated_at)
    VALUES ($1, 'held', $2, $3, $4, $4)
"""

_HOLD = f"{_HOLD_MANY} ON CONFLICT (order_id) DO NOTHING"

_HOLD_ANEW = """
    UPDATE reservations SET state = 'held', lines = $2, expires_at = $3, updated_at = $4
    WHERE order_id = $1 AND state = 'expired'
"""

_EXTEND = """
    UPDATE reservations SET expires_at = $2, updated_at = $3 WHERE order_id = $1 AND state = 'held'
"""

_SETTLE = """
    UPDATE reservations SET state = 'settled', updated_at = $1 WHERE order_id IN ({}) AND state = 'held'
    RETURNING order_id
"""

_RELEASE = """
    UPDATE reservations SET state = 'released', updated_at = $2
    WHERE order_id = $1 AND state IN ('held', 'settled')
    RETURNING lines
"""

_FORBID = """
    INSERT INTO reservations (order_id, state, lines, expires_at, created_at, updated_at)
    VALUES ($1, 'released', '[]', $2, $2, $2)
    ON CONFLICT (order_id) DO UPDATE SET state = 'released', updated_at = excluded.updated_at
    WHERE reservations.state = 'expired'
"""

_EXPIRE = """
    UPDATE reservations SET state = 'expired', updated_at = $3
    WHERE order_id = $1 AND state = 'held' AND expires_at = $2
    RETURNING lines
"""

_RUN_OUT = """
    SELECT order_id, state, lines, expires_at FROM reservations
    WHERE state = 'held' AND expires_at <= $1 ORDER BY expires_at LIMIT $2
"""

_read_lines: Callable[[bytes], tuple[ReservedLine, ...]] = wire.decoder(tuple[ReservedLine, ...]).decode


async def find(reading: Reading, order_id: str) -> Reservation | None:
    """The order's reservation, whatever its state; a released one that came first has no lines."""
    row = await reading.fetch_one(_FIND, order_id)
    return None if row is None else _reservation(row)


async def run_out(reading: Reading, before: datetime, limit: int) -> list[Reservation]:
    """Holds that ended before a moment, the oldest first."""
    return [_reservation(row) for row in await reading.fetch_all(_RUN_OUT, to_millis(before), limit)]


async def hold(tx: Transaction, reservation: Reservation, now: int, *, anew: bool = False) -> bool:
    """Write a new hold, or with `anew` one in place of an expired one; False when there is another reservation."""
    return await tx.execute(_HOLD_ANEW if anew else _HOLD, *_row(reservation, now)) == 1


async def hold_many(tx: Transaction, holds: Sequence[Reservation], now: int) -> None:
    """Write new holds; `UniqueViolated` when one of the orders has a reservation already."""
    in_order = sorted(holds, key=lambda hold: hold.order_id)  # the same for all: nobody waits for each other
    await tx.execute_many(_HOLD_MANY, [_row(hold, now) for hold in in_order])


async def extend(tx: Transaction, order_id: str, expires_at: datetime, now: int) -> bool:
    """Let a hold last longer; False when it is none any more."""
    return await tx.execute(_EXTEND, order_id, to_millis(expires_at), now) == 1


async def settle(tx: Transaction, order_ids: Sequence[str], now: int) -> dict[str, ReservationState]:
    """Make holds their orders' own; the state of each reservation now, without orders that never reserved.

    Raises `Overtaken` when a hold was written meanwhile.
    """
    rows = await tx.fetch_all(listing(_SETTLE, len(order_ids), after=1), now, *order_ids)
    states: dict[str, ReservationState] = {order_id: "settled" for (order_id,) in rows}
    others = [order_id for order_id in order_ids if order_id not in states]
    if others:
        states.update(await tx.fetch_all(listing(_STATES, len(others)), *others))
    if "held" in states.values():
        raise Overtaken
    return states


async def release(tx: Transaction, order_id: str, now: int) -> tuple[ReservedLine, ...]:
    """Make it impossible to reserve for the order from now on; returns the lines to give back.

    Raises `Overtaken` when a hold was written meanwhile.
    """
    row = await tx.fetch_one(_RELEASE, order_id, now)
    if row is not None:
        return _read_lines(row[0].encode())
    if await tx.execute(_FORBID, order_id, now) == 0 and await _state(tx, order_id) != "released":
        raise Overtaken
    return ()


async def expire(tx: Transaction, reservation: Reservation, now: int) -> bool:
    """End a hold; False when it was settled, released or made longer meanwhile."""
    ended = await tx.fetch_one(_EXPIRE, reservation.order_id, to_millis(reservation.expires_at), now)
    return ended is not None


async def _state(tx: Transaction, order_id: str) -> ReservationState | None:
    row = await tx.fetch_one(_STATE, order_id)
    return None if row is None else row[0]


def _row(hold: Reservation, now: int) -> tuple[Value, ...]:
    return hold.order_id, wire.encode(hold.items).decode(), to_millis(hold.expires_at), now


def _reservation(row: Row) -> Reservation:
    order_id, state, lines, expires_at = row
    return Reservation(
        order_id=order_id, state=state, items=_read_lines(lines.encode()), expires_at=from_millis(expires_at)
    )
