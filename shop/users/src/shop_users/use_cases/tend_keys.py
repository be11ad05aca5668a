"""Do what time has made due with the token keys: make the first ones, rotate an old one, remove an outlived one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from atoll.clock import Clock, to_millis
from atoll.storage import Database, Transaction
from shop_users.key_changes import begin_rotation, fill_places, remove_outlived
from shop_users.store import signing_keys
from shop_users.token_keys import TokenKey, outlived, signing, standing_ready


@dataclass(frozen=True)
class TendKeys:
    database: Database
    clock: Clock
    max_age: timedelta
    """How long a key signs before the next one does."""

    async def __call__(self) -> None:
        """Any number of replicas may do so at once: one does the work, the others find it done."""
        now = to_millis(self.clock.now())
        if self._is_anything_due(await self.database.read(signing_keys.every), now):
            await self.database.transaction(lambda tx: self._tend(tx, now))

    async def _tend(self, tx: Transaction, now: int) -> None:
        await signing_keys.take_turn(tx)
        await remove_outlived(tx, now)
        await fill_places(tx, now)
        if self._is_rotation_due(await signing_keys.every(tx), now):
            await begin_rotation(tx, now)

    def _is_anything_due(self, keys: Sequence[TokenKey], now: int) -> bool:
        is_whole = signing(keys, now) is not None and standing_ready(keys, now) is not None
        return not is_whole or bool(outlived(keys, now)) or self._is_rotation_due(keys, now)

    def _is_rotation_due(self, keys: Sequence[TokenKey], now: int) -> bool:
        """Whether the key that signs is old and no other one is about to take over."""
        current, ready = signing(keys, now), standing_ready(keys, now)
        if current is None or ready is None or ready.signs_from is not None:
            return False
        return now >= current.begins + self.max_age // timedelta(milliseconds=1)
