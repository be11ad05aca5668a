"""Make an administrator: never through the API, only by those who run the system."""

from dataclasses import dataclass

from atoll.clock import Clock, from_millis, to_millis
from atoll.events import Outbox
from atoll.ids import NewId
from atoll.observability.logging import get_logger
from atoll.storage import Database, Transaction
from shop_contracts.users import EmailAddress, User
from shop_users.domain import ADMIN, Account
from shop_users.passwords import Passwords, refuse_common
from shop_users.store import accounts, known_addresses, refresh_tokens
from shop_users.use_cases.announce_user import announce_registered

NAME = "Administrator"

log = get_logger()


@dataclass(frozen=True)
class MakeAdmin:
    database: Database
    outbox: Outbox
    passwords: Passwords
    clock: Clock
    new_id: NewId

    async def __call__(self, email: EmailAddress, password: str, name: str = NAME) -> User:
        """The administrator with this address and password.

        An account that is there already gets the role and the password, and its sign-ins end: whoever registered
        the address before must not become an administrator by it. Raises `CommonPassword`.
        """
        account = await self._account(email, password, name)
        now = to_millis(account.user.created_at)

        async def make(tx: Transaction) -> User:
            if await self._add(tx, account):
                return account.user
            user = await accounts.make_admin(tx, email, account.password_hash, now)
            assert user is not None  # noqa: S101 - the address is taken, so it is there
            await refresh_tokens.end_all_of(tx, user.id)
            await known_addresses.forget_all_of(tx, user.id)
            return user

        return await self.database.transaction(make)

    async def if_missing(self, email: EmailAddress, password: str) -> None:
        """Make the administrator unless the address is known; an account that is there is left alone."""
        known = await self.database.read(lambda reading: accounts.find_by_email(reading, email.text))
        if known is None:
            account = await self._account(email, password, NAME)
            await self.database.transaction(lambda tx: self._add(tx, account))
        elif ADMIN not in known.user.roles:
            log.warning("the account of the first administrator is no administrator's", email=email.text)

    async def _add(self, tx: Transaction, account: Account) -> bool:
        """False when the address is taken."""
        if not await accounts.add(tx, account):
            return False
        await announce_registered(tx, self.outbox, account.user)
        return True

    async def _account(self, email: EmailAddress, password: str, name: str) -> Account:
        refuse_common(password)
        now = from_millis(to_millis(self.clock.now()))
        user = User(id=self.new_id(), name=name, email=email.text, roles=(ADMIN,), created_at=now, updated_at=now)
        return Account(user, await self.passwords.hash(password))
