"""The keys that sign access tokens: made once, kept in the service's own database."""

from atoll.clock import Clock, to_millis
from atoll.identity.keys import KeyRing, SigningKey
from atoll.storage import Database, Transaction
from shop_users.store import signing_keys


async def load_keys(ring: KeyRing, database: Database, clock: Clock) -> None:
    """Fill `ring` with the keys of the database, where its current one becomes the first if there is none yet."""
    candidate, now = ring.current.to_json(), to_millis(clock.now())

    async def keep_or_find(tx: Transaction) -> list[str]:
        await signing_keys.add_first(tx, candidate, now)
        return await signing_keys.in_order(tx)

    ring.replace([SigningKey.from_json(key) for key in await database.transaction(keep_or_find)])
