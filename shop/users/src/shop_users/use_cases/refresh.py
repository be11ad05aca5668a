"""Stay signed in: a refresh token for an access token and the next refresh token."""

from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.storage import Database, Transaction
from shop_contracts.users import SignedIn, User
from shop_users.access_tokens import AccessTokens
from shop_users.domain import RefreshRefused
from shop_users.refresh_tokens import LIFETIME, digest, new_refresh_token
from shop_users.store import accounts, refresh_tokens
from shop_users.use_cases.sign_in import signed_in


@dataclass(frozen=True)
class Refresh:
    database: Database
    access_tokens: AccessTokens
    clock: Clock

    async def __call__(self, refresh_token: str) -> SignedIn:
        """New tokens, with the roles that the user has now.

        Raises `RefreshRefused`. A token that is used again was stolen, from either of the two who used it: so
        its whole family ends (RFC 9700, section 4.14.2), unless it expired so long ago that it is forgotten.
        """
        new, old, now = new_refresh_token(), digest(refresh_token), to_millis(self.clock.now())

        async def rotate(tx: Transaction) -> User | None:
            used = await refresh_tokens.use(tx, old, now)
            if used is None:
                await refresh_tokens.end_family_of(tx, old)
                return None
            await refresh_tokens.add(tx, digest(new), used, expires_at=now + LIFETIME * 1000)
            await refresh_tokens.forget_expired(tx, used.user_id, now)
            return await accounts.find(tx, used.user_id)

        user = await self.database.transaction(rotate)
        if user is None:
            raise RefreshRefused
        return await signed_in(self.access_tokens, user.id, user.roles, new)
