"""Open an account."""

from dataclasses import dataclass

from atoll.clock import Clock, from_millis, to_millis
from atoll.events import Outbox
from atoll.idempotency import Once, every_time
from atoll.ids import NewId
from atoll.storage import Database, Transaction
from shop_contracts.users import NewUser, User
from shop_users.domain import Account, EmailTaken
from shop_users.passwords import Passwords, refuse_common
from shop_users.store import accounts
from shop_users.use_cases.announce_user import announce_registered


@dataclass(frozen=True)
class Register:
    database: Database
    outbox: Outbox
    passwords: Passwords
    clock: Clock
    new_id: NewId

    async def __call__(self, wanted: NewUser, *, once: Once = every_time) -> User:
        """The new user; raises `CommonPassword` or `EmailTaken`."""
        refuse_common(wanted.password)
        user = self._new(wanted)
        account = Account(user, await self.passwords.hash(wanted.password))

        async def add(tx: Transaction) -> User:
            if not await accounts.add(tx, account):
                raise EmailTaken(user.email)
            await announce_registered(tx, self.outbox, user)
            return user

        return await self.database.transaction(once(add))

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
