"""Sign out: no token of the family gets another one. Access tokens live on until they expire."""

from dataclasses import dataclass

from atoll.storage import Database
from shop_users.refresh_tokens import digest
from shop_users.store import refresh_tokens


@dataclass(frozen=True)
class SignOut:
    database: Database

    async def __call__(self, refresh_token: str) -> None:
        """Whoever is signed out already stays so."""
        await self.database.transaction(lambda tx: refresh_tokens.end_family_of(tx, digest(refresh_token)))
