"""Change an account: its name, its address, its password."""

from dataclasses import dataclass

from msgspec import UNSET

from atoll.clock import Clock, to_millis
from atoll.identity.principal import Principal
from atoll.storage import Database, Transaction, UniqueViolated
from shop_contracts.users import User, UserChanges
from shop_users.domain import EmailTaken, UserNotFound, WrongCurrentPassword
from shop_users.passwords import Passwords, refuse_common
from shop_users.sign_in_limits import SignInLimits
from shop_users.store import accounts, known_addresses, refresh_tokens
from shop_users.store.accounts import Changes


@dataclass(frozen=True)
class ChangeUser:
    database: Database
    passwords: Passwords
    limits: SignInLimits
    clock: Clock

    async def __call__(self, user_id: str, wanted: UserChanges, *, by: Principal, place: str) -> User:
        """The user as it is now. A new password ends every sign-in, and no address is known any more.

        Raises `UserNotFound`, `EmailTaken`, `CommonPassword`, and, when users change their own password without the
        one that it is, `WrongCurrentPassword` or `TooManyWrongGuesses`.
        """
        checked_hash = await self._checked_hash(user_id, wanted, by, place)
        changes = Changes(
            name=None if wanted.name is UNSET else wanted.name,
            email=None if wanted.email is UNSET else wanted.email,
            password_hash=None if wanted.password is UNSET else await self.passwords.hash(wanted.password),
        )
        now = to_millis(self.clock.now())

        async def change(tx: Transaction) -> User | None:
            user = await accounts.change(tx, user_id, changes, now, checked_hash=checked_hash)
            if user is None and await accounts.find(tx, user_id) is not None:
                raise WrongCurrentPassword
            if changes.password_hash is not None:
                await refresh_tokens.end_all_of(tx, user_id)
                await known_addresses.forget_all_of(tx, user_id)
            return user

        try:
            user = await self.database.transaction(change)
        except UniqueViolated as error:
            raise EmailTaken(changes.email.text if changes.email else "") from error
        if user is None:
            raise UserNotFound(user_id)
        return user

    async def _checked_hash(self, user_id: str, wanted: UserChanges, by: Principal, place: str) -> str | None:
        """What the current password was checked against, and must still be when the new one comes; None: nothing is."""
        if wanted.password is UNSET:
            return None
        refuse_common(wanted.password)
        return await self._check_current(user_id, wanted, place) if by.subject == user_id else None

    async def _check_current(self, user_id: str, wanted: UserChanges, place: str) -> str:
        current = "" if wanted.current_password is UNSET else wanted.current_password
        kept = await self.database.read(lambda reading: accounts.find_hash(reading, user_id))
        if kept is None:
            raise UserNotFound(user_id)
        async with self.limits.guess(user_id, place, is_known=False) as was_wrong:
            if not await self.passwords.verify(current, kept):
                was_wrong()
                raise WrongCurrentPassword
        return kept
