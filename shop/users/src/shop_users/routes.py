"""HTTP in: who may ask what, and which use case answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from atoll.endpoints import Admin, Query, Reply, Request, Route
from atoll.idempotency import Asked, IdempotencyKey, KeyUsedDifferently, OncePerKey
from atoll.identity.keys import JWKS_PATH, JwksDocument
from atoll.identity.principal import Principal
from atoll.wire import StrictModel
from shop_contracts.users import (
    Credentials,
    NewUser,
    RefreshToken,
    SignedIn,
    User,
    UserChanges,
    UserPage,
    UserWithOrders,
)
from shop_users.callers import Callers
from shop_users.domain import (
    CommonPassword,
    EmailTaken,
    RefreshRefused,
    TooManyWrongGuesses,
    UserNotFound,
    WrongCredentials,
    WrongCurrentPassword,
    refuse_strangers,
)
from shop_users.use_cases.change_user import ChangeUser
from shop_users.use_cases.delete_user import DeleteUser
from shop_users.use_cases.list_users import ListUsers, PageOfUsers
from shop_users.use_cases.publish_keys import PublishKeys
from shop_users.use_cases.read_user import ReadUser
from shop_users.use_cases.refresh import Refresh
from shop_users.use_cases.register import Register
from shop_users.use_cases.sign_in import SignIn
from shop_users.use_cases.sign_out import SignOut

NEVER_STORED = {"Cache-Control": "no-store"}
STORED_FOR_A_WHILE = {"Cache-Control": "public, max-age=60"}


class NoQuery(StrictModel):
    """No query at all, for handlers that are given the request."""


Nothing = Annotated[NoQuery, Query()]


@dataclass(frozen=True)
class Routes:
    callers: Callers
    once_per_key: OncePerKey
    register: Register
    sign_in: SignIn
    refresh: Refresh
    sign_out: SignOut
    read_user: ReadUser
    list_users: ListUsers
    change_user: ChangeUser
    delete_user: DeleteUser
    publish_keys: PublishKeys

    def table(self) -> Sequence[Route]:
        """Everything this service answers."""
        opened = (EmailTaken, CommonPassword, KeyUsedDifferently)
        changed = (UserNotFound, EmailTaken, CommonPassword, WrongCurrentPassword, TooManyWrongGuesses)
        return (
            Route("POST", "/users", self.post_user, status=201, problems=opened),
            Route("GET", "/users", self.get_users),
            Route("GET", "/users/{user_id}", self.get_user, problems=[UserNotFound]),
            Route("PATCH", "/users/{user_id}", self.patch_user, problems=changed),
            Route("DELETE", "/users/{user_id}", self.remove_user, problems=[UserNotFound]),
            Route("POST", "/auth/login", self.post_login, problems=[WrongCredentials, TooManyWrongGuesses]),
            Route("POST", "/auth/refresh", self.post_refresh, problems=[RefreshRefused]),
            Route("POST", "/auth/logout", self.post_logout),
            Route("GET", JWKS_PATH, self.get_keys),
        )  # fmt: skip

    async def post_user(self, wanted: NewUser, key: IdempotencyKey = None) -> Reply[User]:
        """Open an account."""
        asked = Asked("POST /users", None, key, wanted)
        return await self.once_per_key(asked, lambda once: self.register(wanted, once=once), _opened)

    async def get_users(self, wanted: Annotated[PageOfUsers, Query()], _admin: Admin) -> UserPage:
        """Every account, page by page."""
        return await self.list_users(wanted)

    async def get_user(
        self, user_id: str, caller: Principal, include: Literal["orders"] | None = None
    ) -> UserWithOrders:
        """One's own account, or any for an administrator.

        With `include=orders` the latest orders are asked of the service that has them; when it cannot answer, they are
        those last known, or null, and `degraded` says so.
        """
        return await self.read_user(user_id, caller, with_orders=include == "orders")

    async def patch_user(
        self, user_id: str, wanted: UserChanges, caller: Principal, request: Request, _query: Nothing
    ) -> User:
        """Change an account."""
        refuse_strangers(caller, user_id)
        return await self.change_user(user_id, wanted, by=caller, place=self.callers.place(request))

    async def remove_user(self, user_id: str, caller: Principal) -> User:
        """Delete an account."""
        refuse_strangers(caller, user_id)
        return await self.delete_user(user_id)

    async def post_login(self, given: Credentials, request: Request, _query: Nothing) -> Reply[SignedIn]:
        """Sign in."""
        return Reply(await self.sign_in(given, self.callers.place(request)), headers=NEVER_STORED)

    async def post_refresh(self, given: RefreshToken) -> Reply[SignedIn]:
        """Get new tokens for a refresh token, once."""
        return Reply(await self.refresh(given.refresh_token), headers=NEVER_STORED)

    async def post_logout(self, given: RefreshToken) -> None:
        """End a sign-in and everything refreshed from it."""
        await self.sign_out(given.refresh_token)

    async def get_keys(self) -> Reply[JwksDocument]:
        """The public keys of access tokens."""
        return Reply(await self.publish_keys(), headers=STORED_FOR_A_WHILE)


def _opened(user: User) -> Reply[User]:
    return Reply(user, headers={"Location": f"users/{user.id}"})  # seen from /users, and from the door's /api/users
