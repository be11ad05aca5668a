"""Withdraw a token key that somebody else may have: its tokens are worth nothing any more."""

from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.storage import Database, Transaction
from shop_users.key_changes import withdraw
from shop_users.store import signing_keys
from shop_users.token_keys import TokenKey, named


@dataclass(frozen=True)
class WithdrawKey:
    database: Database
    clock: Clock

    async def __call__(self, kid: str) -> TokenKey:
        """The key as it was; raises `KeyUnknown`.

        It is published and signs no more from here on. Verifiers trust it until they fetch the keys again, at most
        5 minutes. When it was the one that signs, the one that stands ready does so at once.
        """
        now = to_millis(self.clock.now())

        async def take_away(tx: Transaction) -> TokenKey:
            await signing_keys.take_turn(tx)
            key = named(await signing_keys.every(tx), kid)
            await withdraw(tx, key, now)
            return key

        return await self.database.transaction(take_away)
