"""The tables of the inbox, with statements that are right under READ COMMITTED. Moments are in milliseconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from atoll.storage import Reading, Row, Transaction

_FAILURE = "event_id, type, body, deliveries, next_at, reason, stack, trace_id, first_failed_at, last_failed_at"

_SET_ASIDE = f"""
    INSERT INTO inbox_failures ({_FAILURE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
"""  # noqa: S608 - constants only

_DUE = f"""
    SELECT {_FAILURE} FROM inbox_failures WHERE next_at IS NOT NULL AND next_at <= $1 ORDER BY next_at LIMIT $2
"""  # noqa: S608 - constants only

_TRY = """
    UPDATE inbox_failures SET deliveries = deliveries + 1, next_at = $3 WHERE event_id = $1 AND next_at = $2
"""

_FAILED_AGAIN = """
    UPDATE inbox_failures SET next_at = $2, reason = $3, stack = $4, last_failed_at = $5
    WHERE event_id = $1 AND next_at IS NOT NULL
"""

_BURY = "UPDATE inbox_failures SET next_at = NULL WHERE event_id = $1 AND next_at = $2"

_DONE = "DELETE FROM inbox_failures WHERE event_id = $1"

_DEAD = f"""
    SELECT {_FAILURE} FROM inbox_failures
    WHERE next_at IS NULL AND event_id > $1 ORDER BY event_id LIMIT $2
"""  # noqa: S608 - constants only

_FIND_DEAD = f"SELECT {_FAILURE} FROM inbox_failures WHERE next_at IS NULL AND event_id = $1"  # noqa: S608 - constants only

_REDRIVE = "UPDATE inbox_failures SET next_at = $2, deliveries = 0 WHERE next_at IS NULL AND event_id = $1"

_REDRIVE_ALL = "UPDATE inbox_failures SET next_at = $1, deliveries = 0 WHERE next_at IS NULL"

_DROP = "DELETE FROM inbox_failures WHERE next_at IS NULL AND event_id = $1"

_COUNTS = "SELECT count(next_at), count(*) - count(next_at) FROM inbox_failures"

_FORGET = """
    DELETE FROM inbox WHERE event_id IN (
        SELECT event_id FROM inbox WHERE noted_at <= $1 ORDER BY noted_at LIMIT $2
    )
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """An event whose handling failed, as it stands in the table. `next_at` is None for a dead letter."""

    event_id: str
    type: str
    body: bytes
    deliveries: int
    next_at: int | None
    reason: str
    stack: str
    trace_id: str
    first_failed_at: int
    last_failed_at: int


async def note(tx: Transaction, event_ids: Sequence[str], now: int) -> set[str]:
    """Note that these events have come; those that had not before."""
    rows = await tx.fetch_all(_note_sql(len(event_ids)), now, *event_ids) if event_ids else []
    return {event_id for (event_id,) in rows}


async def set_aside(tx: Transaction, failure: Failure) -> None:
    """Write down an event that failed, and was noted."""
    await tx.execute(
        _SET_ASIDE,
        failure.event_id,
        failure.type,
        failure.body,
        failure.deliveries,
        failure.next_at,
        failure.reason,
        failure.stack,
        failure.trace_id,
        failure.first_failed_at,
    )


async def due(reading: Reading, now: int, limit: int) -> list[Failure]:
    """What is to be tried again, the most urgent first."""
    return [_failure(row) for row in await reading.fetch_all(_DUE, now, limit)]


async def try_again(tx: Transaction, failure: Failure, next_at: int) -> bool:
    """Count one more attempt, before it is made; False when somebody else makes it."""
    return await tx.execute(_TRY, failure.event_id, failure.next_at, next_at) == 1


async def failed_again(tx: Transaction, failure: Failure) -> None:
    """Write down why, and when it is tried next."""
    await tx.execute(
        _FAILED_AGAIN, failure.event_id, failure.next_at, failure.reason, failure.stack, failure.last_failed_at
    )


async def bury(tx: Transaction, failure: Failure) -> bool:
    """Make it a dead letter; False when somebody else has it."""
    return await tx.execute(_BURY, failure.event_id, failure.next_at) == 1


async def done(tx: Transaction, event_id: str) -> bool:
    """It was handled after all; False when somebody else has done so."""
    return await tx.execute(_DONE, event_id) == 1


async def dead(reading: Reading, after: str, limit: int) -> list[Failure]:
    """Dead letters in the order of their ids, which is that of the events."""
    return [_failure(row) for row in await reading.fetch_all(_DEAD, after, limit)]


async def find_dead(reading: Reading, event_id: str) -> Failure | None:
    row = await reading.fetch_one(_FIND_DEAD, event_id)
    return None if row is None else _failure(row)


async def redrive(tx: Transaction, event_id: str, now: int) -> bool:
    return await tx.execute(_REDRIVE, event_id, now) == 1


async def redrive_all(tx: Transaction, now: int) -> int:
    return await tx.execute(_REDRIVE_ALL, now)


async def drop(tx: Transaction, event_id: str) -> bool:
    return await tx.execute(_DROP, event_id) == 1


async def counts(reading: Reading) -> tuple[int, int]:
    """How many wait to be tried again, and how many are dead."""
    retrying, dead_letters = await reading.fetch_one(_COUNTS) or (0, 0)
    return retrying, dead_letters


async def forget(tx: Transaction, until: int, limit: int) -> int:
    """Forget some notes from before that moment; how many."""
    return await tx.execute(_FORGET, until, limit)


@cache
def _note_sql(count: int) -> str:
    rows = ", ".join(f"(${number}, $1)" for number in range(2, 2 + count))
    return f"""
        INSERT INTO inbox (event_id, noted_at) VALUES {rows} ON CONFLICT (event_id) DO NOTHING RETURNING event_id
    """  # noqa: S608 - numbers


def _failure(row: Row) -> Failure:
    event_id, type_, body, *rest = row
    return Failure(event_id, type_, bytes(body), *rest)
