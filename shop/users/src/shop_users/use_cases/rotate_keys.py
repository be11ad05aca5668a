"""Rotate the token keys now, whatever the age of the one that signs."""

from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.storage import Database, Transaction
from shop_users.key_changes import begin_rotation, fill_places
from shop_users.store import signing_keys
from shop_users.token_keys import TokenKey


@dataclass(frozen=True)
class RotateKeys:
    database: Database
    clock: Clock

    async def __call__(self) -> TokenKey:
        """The key that takes over; its `signs_from` lies ahead while it has not been published long enough."""
        now = to_millis(self.clock.now())

        async def rotate(tx: Transaction) -> TokenKey:
            await signing_keys.take_turn(tx)
            await fill_places(tx, now)
            return await begin_rotation(tx, now)

        return await self.database.transaction(rotate)
