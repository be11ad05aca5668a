"""From where users have signed in, the last so many addresses of each."""

from atoll.storage import Reading, Transaction
from shop_contracts.users import email_key

MOST_OF_ONE_USER = 20

KEPT_FOR = 90 * 24 * 3600 * 1000
"""Milliseconds."""

_IS_KNOWN = """
    SELECT 1 FROM known_addresses JOIN users ON users.id = known_addresses.user_id
    WHERE users.email_key = $1 AND known_addresses.address = $2 AND known_addresses.seen_at > $3
"""

_SEEN = """
    INSERT INTO known_addresses (user_id, address, seen_at) VALUES ($1, $2, $3)
    ON CONFLICT (user_id, address) DO UPDATE SET seen_at = excluded.seen_at
"""

_FORGET_OLDEST = """
    DELETE FROM known_addresses WHERE user_id = $1 AND address NOT IN (
        SELECT address FROM known_addresses WHERE user_id = $1 ORDER BY seen_at DESC, address LIMIT $2
    )
"""

_FORGET_ALL = "DELETE FROM known_addresses WHERE user_id = $1"


async def is_known(reading: Reading, email: str, address: str, now: int) -> bool:
    """Whether the account with this e-mail address, if there is one, was signed in to from there not too long ago."""
    return await reading.fetch_one(_IS_KNOWN, email_key(email), address, now - KEPT_FOR) is not None


async def seen(tx: Transaction, user_id: str, address: str, now: int) -> None:
    """The user has signed in from there."""
    await tx.execute(_SEEN, user_id, address, now)
    await tx.execute(_FORGET_OLDEST, user_id, MOST_OF_ONE_USER)


async def forget_all_of(tx: Transaction, user_id: str) -> None:
    """No address is known any more."""
    await tx.execute(_FORGET_ALL, user_id)
