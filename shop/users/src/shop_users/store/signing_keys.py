"""What signs access tokens, as JSON; only this service can read it."""

from atoll.storage import Reading, Transaction

_ADD_FIRST = """
    INSERT INTO signing_keys (position, private_key, created_at) VALUES (1, $1, $2)
    ON CONFLICT (position) DO NOTHING
"""


async def add_first(tx: Transaction, private_key: str, now: int) -> None:
    """Keep the key unless there is a first one already: of several that start at once, one wins."""
    await tx.execute(_ADD_FIRST, private_key, now)


async def in_order(reading: Reading) -> list[str]:
    """Every key, the one that signs first."""
    return [key for (key,) in await reading.fetch_all("SELECT private_key FROM signing_keys ORDER BY position")]
