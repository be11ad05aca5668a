"""Open an account."""

from dataclasses import dataclass

from atoll.clock import Clock, from_millis, to_millis
from atoll.ids import NewId
from atoll.storage import Database
from shop_contracts.users import NewUser, User
from shop_users.domain import Account, EmailTaken
from shop_users.passwords import Passwords, refuse_common
from shop_users.store import accounts


@dataclass(frozen=True)
class Register:
    database: Database
    passwords: Passwords
    clock: Clock
    new_id: NewId

    async def __call__(self, wanted: NewUser) -> User:
        """The new user; raises `CommonPassword` or `EmailTaken`."""
        refuse_common(wanted.password)
        user = self._new(wanted)
        account = Account(user, await self.passwords.hash(wanted.password))
        if not await self.database.transaction(lambda tx: accounts.add(tx, account)):
            raise EmailTaken(user.email)
        return user

    def _new(self, wanted: NewUser) -> User:
        now = from_millis(to_millis(self.clock.now()))
        return User(
            id=self.new_id(),
            name=wanted.name,
            email=wanted.email.text,
            roles=(),
            created_at=now,
            updated_at=now,
        )
