"""Accounts, and what may be done with them. No I/O.

Problem
├── WrongCredentials 401   unknown address or wrong password, never which
├── RefreshRefused 401     the refresh token is unknown, expired or used
├── UserNotFound 404       no such account, or none of the caller's business
├── EmailTaken 409
├── TooManyWrongGuesses 429
└── InvalidFields 422
    ├── CommonPassword
    └── WrongCurrentPassword
"""

from typing import Final, NamedTuple

from atoll.identity.principal import Principal
from atoll.problems import Conflict, FieldMistake, InvalidFields, NotFound, TooManyRequests, Unauthenticated
from shop_contracts.users import User

ADMIN: Final = "admin"


class WrongCredentials(Unauthenticated):
    """The e-mail address is unknown, or the password is wrong; it is never said which.

    What to do: look at both.
    """

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class RefreshRefused(Unauthenticated):
    """The refresh token is unknown, has run out, or was used before. A token that is used twice was perhaps stolen, so
    everything that was refreshed from the same sign-in has ended with it.

    What to do: sign in again.
    """

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid any more; sign in again.")


class UserNotFound(NotFound):
    """There is no such account, or it is none of the caller's business.

    What to do: look at the id, and at who is signed in.
    """

    def __init__(self, user_id: str) -> None:
        super().__init__(f"User {user_id} not found")
        self.user_id = user_id


class EmailTaken(Conflict):
    """There is an account with this e-mail address already, whatever its case.

    What to do: sign in with it, or take another address.
    """

    def __init__(self, email: str) -> None:
        super().__init__(f"There is an account with the address {email} already")
        self.email = email


class TooManyWrongGuesses(TooManyRequests):
    """Too many passwords were wrong, for this account from this address, or from this address, or for this account.
    Whoever signs in from an address of before is not kept out by what was tried elsewhere.

    What to do: wait for as many seconds as `Retry-After` says.
    """

    def __init__(self, *, retry_after: int) -> None:
        sentence = "Too many passwords were wrong; please wait before you try again."
        super().__init__(sentence, headers={"Retry-After": str(max(1, retry_after))})
        self.retry_after = retry_after


class CommonPassword(InvalidFields):
    """The password is one of those that anybody would try first.

    What to do: choose another, for instance of several words.
    """

    def __init__(self) -> None:
        detail = "This password is one of the first that anybody would try; choose another."
        super().__init__(detail, errors=[FieldMistake("/password", detail)])


class WrongCurrentPassword(InvalidFields):
    """Choosing another password takes the current one, and this is not it.

    What to do: send it as `currentPassword`.
    """

    def __init__(self) -> None:
        detail = "The current password is needed to choose another one, and this is not it."
        super().__init__(detail, errors=[FieldMistake("/currentPassword", detail)])


class Account(NamedTuple):
    """A user, and what their password is checked against."""

    user: User
    password_hash: str


def refuse_strangers(caller: Principal, user_id: str) -> None:
    """Raise `UserNotFound` unless `caller` is that user or an administrator."""
    is_self = not caller.is_service and caller.subject == user_id
    if not is_self and not caller.has_role(ADMIN):
        raise UserNotFound(user_id)
