"""Sign in: from an address and a password to tokens."""

from dataclasses import dataclass

from atoll.clock import Clock, to_millis
from atoll.ids import NewId
from atoll.storage import Database, Reading, Transaction
from shop_contracts.users import Credentials, SignedIn, email_key
from shop_users.access_tokens import AccessTokens
from shop_users.domain import Account, WrongCredentials
from shop_users.passwords import Passwords
from shop_users.refresh_tokens import LIFETIME, digest, new_refresh_token
from shop_users.sign_in_limits import SignInLimits
from shop_users.store import accounts, known_addresses, refresh_tokens


@dataclass(frozen=True)
class SignIn:
    database: Database
    passwords: Passwords
    limits: SignInLimits
    access_tokens: AccessTokens
    clock: Clock
    new_id: NewId

    async def __call__(self, given: Credentials, place: str) -> SignedIn:
        """Tokens for the user, who signs in from `place`.

        Raises `WrongCredentials` for an unknown address as for a wrong password, with the same words and after
        the same work; and `TooManyWrongGuesses`, without any.
        """
        account = await self._account(given, place)
        refresh_token = new_refresh_token()
        if not await self._begin_family(account, refresh_token, place):
            raise WrongCredentials
        return await signed_in(self.access_tokens, account.user.id, account.user.roles, refresh_token)

    async def _account(self, given: Credentials, place: str) -> Account:
        """The account, if the password is its own."""
        account, place_is_known = await self._find(given.email, place)
        async with self.limits.guess(email_key(given.email), place, is_known=place_is_known) as was_wrong:
            is_right = await self.passwords.verify(given.password, account.password_hash if account else None)
            if account is None or not is_right:
                was_wrong()
                raise WrongCredentials
            return account

    async def _find(self, email: str, place: str) -> tuple[Account | None, bool]:
        now = to_millis(self.clock.now())

        async def find(reading: Reading) -> tuple[Account | None, bool]:
            account = await accounts.find_by_email(reading, email)
            return account, await known_addresses.is_known(reading, email, place, now)

        return await self.database.read(find)

    async def _begin_family(self, account: Account, refresh_token: str, place: str) -> bool:
        now = to_millis(self.clock.now())

        async def begin(tx: Transaction) -> bool:
            await refresh_tokens.forget_expired(tx, account.user.id, now)
            begun = await refresh_tokens.begin_family(
                tx,
                digest(refresh_token),
                self.new_id(),
                account.user.id,
                expires_at=now + LIFETIME * 1000,
                password_hash=account.password_hash,
            )
            if begun:
                await known_addresses.seen(tx, account.user.id, place, now)
            return begun

        return await self.database.transaction(begin)


async def signed_in(access_tokens: AccessTokens, user_id: str, roles: tuple[str, ...], refresh_token: str) -> SignedIn:
    """The refresh token, and a new access token beside it."""
    return SignedIn(
        access_token=await access_tokens.issue(user_id, roles),
        refresh_token=refresh_token,
        expires_in=access_tokens.lifetime,
    )
