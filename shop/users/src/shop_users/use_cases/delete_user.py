"""Delete an account and its sign-ins. The address is free again; access tokens live on until they expire."""

from dataclasses import dataclass

from atoll.storage import Database
from shop_contracts.users import User
from shop_users.domain import UserNotFound
from shop_users.store import accounts


@dataclass(frozen=True)
class DeleteUser:
    database: Database

    async def __call__(self, user_id: str) -> User:
        """The user as it was; raises `UserNotFound`."""
        user = await self.database.transaction(lambda tx: accounts.delete(tx, user_id))
        if user is None:
            raise UserNotFound(user_id)
        return user
