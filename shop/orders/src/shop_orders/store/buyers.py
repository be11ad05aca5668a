"""Users, as far as orders needs to know of them: who is there, and who is gone for good."""

from collections.abc import Collection

from atoll.storage import Reading, Transaction, listing

_KNOW = "INSERT INTO buyers (user_id, is_deleted) VALUES ($1, 0) ON CONFLICT (user_id) DO NOTHING"

_MARK = """
    INSERT INTO buyers (user_id, is_deleted) VALUES ($1, 1) ON CONFLICT (user_id) DO UPDATE SET is_deleted = 1
"""

_SOME_DELETED = "SELECT 1 FROM buyers WHERE is_deleted = 1 AND user_id IN ({}) LIMIT 1"


async def know(tx: Transaction, user_id: str) -> None:
    """There is such a user; nothing new of one who is known, or gone."""
    await tx.execute(_KNOW, user_id)


async def mark_deleted(tx: Transaction, user_id: str) -> None:
    """The user is gone, also when nobody has told of them before. `orders.add` refuses them from now on."""
    await tx.execute(_MARK, user_id)


async def some_deleted(reading: Reading, user_ids: Collection[str]) -> bool:
    """Whether any of them is known to be gone."""
    return await reading.fetch_one(listing(_SOME_DELETED, len(user_ids)), *user_ids) is not None
