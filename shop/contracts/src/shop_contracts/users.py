"""What users answers and accepts: accounts and sign-in."""

import re
import unicodedata
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from atoll.wire import Model, StrictModel
from shop_contracts.moments import Moment
from shop_contracts.orders import Order

MAX_EMAIL_LENGTH = 254
"""Characters (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Password: TypeAlias = Annotated[str, Meta(min_length=8, max_length=128)]
Role: TypeAlias = Literal["admin"]

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class EmailAddress:
    """An e-mail address as its owner writes it. Equal when the `key` is: whatever the case and Unicode form."""

    __slots__ = ("key", "text")

    text: str
    key: str

    wire_schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "format": "email",
        "maxLength": MAX_EMAIL_LENGTH,
        "examples": ["ann@example.com"],
    }

    def __init__(self, text: str) -> None:
        """ValueError for what is no address."""
        self.text = unicodedata.normalize("NFC", text)
        self.key = email_key(text)
        if not _is_address(self.text) or not _is_address(self.key):
            raise ValueError("Expected an e-mail address, such as ann@example.com")

    @classmethod
    def from_wire(cls, value: object) -> Self:
        if not isinstance(value, str):
            raise ValueError("Expected an e-mail address as a text")  # noqa: TRY004 - told to clients
        return cls(value)

    def to_wire(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmailAddress) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"EmailAddress({self.text!r})"


def email_key(text: str) -> str:
    """What two ways to write one address have in common (Unicode's toNFKC_Casefold)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


class User(Model):
    """An account as its owner and administrators see it."""

    id: str
    name: str
    email: str
    roles: tuple[Role, ...]
    created_at: Moment
    updated_at: Moment


class UserWithOrders(User):
    """An account, with the user's latest orders if they were asked for, newest first.

    `degraded` names what could not be asked just now: then `orders` is what was last known, or null.
    """

    orders: list[Order] | UnsetType | None = UNSET
    degraded: tuple[Literal["orders"], ...] | UnsetType = UNSET


class UserPage(Model):
    """Some accounts, newest first, and where the next ones begin; `next_cursor` is null after the last."""

    items: list[User]
    next_cursor: str | None


class NewUser(StrictModel):
    """An account to open. A password may hold any character, and is never cut."""

    name: Name
    email: EmailAddress
    password: Password


class UserChanges(StrictModel):
    """The fields to change; the others stay. A new password of one's own takes the current one as well."""

    name: Name | UnsetType = UNSET
    email: EmailAddress | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    current_password: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET


class Credentials(StrictModel):
    """What a user signs in with; anything that cannot be right is simply wrong."""

    email: Annotated[str, Meta(max_length=1000)]
    password: Annotated[str, Meta(max_length=1000)]


class RefreshToken(StrictModel):
    """The token that came with the last access token."""

    refresh_token: Annotated[str, Meta(max_length=200)]


class SignedIn(Model):
    """Who holds these is the user: an access token for `expires_in` seconds, and one to get the next with, once."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # a kind, not a token


def _is_address(text: str) -> bool:
    return len(text) <= MAX_EMAIL_LENGTH and _ADDRESS.fullmatch(text) is not None and text.isprintable()
