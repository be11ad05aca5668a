"""What a handler writes into its annotations to say what it wants to be given."""

from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias

from atoll.identity.principal import Principal
from atoll.problems import Forbidden


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the request: `Annotated[str | None, Header("Idempotency-Key")]`.

    Any scalar type; a header that is missing is None or the parameter's default, and a mistake (422)
    without either.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Query:
    """All query parameters as one struct: `Annotated[ProductFilter, Query()]`.

    Fields of a list type take every value given; any other at most one. Unknown parameters are mistakes
    (422).
    """


@dataclass(frozen=True, slots=True)
class Media:
    """A body that is not JSON and that the handler reads itself: `Annotated[Request, Media(("text/csv",))]`.

    Any other media type or charset, and a compressed body, are refused (415); so is every query parameter (422).
    A body that names no charset is let through; `charsets` are in lower case.
    """

    types: tuple[str, ...]
    charsets: tuple[str, ...] = ("utf-8", "utf8")


class Requirement(Protocol):
    """What the caller must be to be let in: `Annotated[Principal, HasRole("admin")]`."""

    def check(self, caller: Principal) -> None:
        """Raise `Forbidden`, with a sentence for the caller, unless this caller may go on."""


@dataclass(frozen=True, slots=True)
class HasRole:
    """Only users with this role."""

    role: str

    def check(self, caller: Principal) -> None:
        if not caller.has_role(self.role):
            raise Forbidden(f"This needs the role {self.role}.")


@dataclass(frozen=True, slots=True)
class IsService:
    """Only other services of the system."""

    def check(self, caller: Principal) -> None:
        if not caller.is_service:
            raise Forbidden("Only services of this system may do this.")


Admin: TypeAlias = Annotated[Principal, HasRole("admin")]
CallingService: TypeAlias = Annotated[Principal, IsService()]
