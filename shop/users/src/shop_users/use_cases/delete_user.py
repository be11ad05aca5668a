"""Delete an account and its sign-ins. The address is free again; access tokens live on until they expire."""

from dataclasses import dataclass

from atoll.events import Outbox
from atoll.storage import Database, Transaction
from shop_contracts.users import User
from shop_users.domain import UserNotFound
from shop_users.store import accounts
from shop_users.use_cases.announce_user import announce_deleted


@dataclass(frozen=True)
class DeleteUser:
    database: Database
    outbox: Outbox

    async def __call__(self, user_id: str) -> User:
        """The user as it was; raises `UserNotFound`. Others hear of it, and take no orders of theirs any more."""

        async def delete(tx: Transaction) -> User:
            user = await accounts.delete(tx, user_id)
            if user is None:
                raise UserNotFound(user_id)
            await announce_deleted(tx, self.outbox, user)
            return user

        return await self.database.transaction(delete)
