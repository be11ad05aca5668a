"""Amounts of money: whole minor units inside, a JSON number of major units outside."""

from decimal import Decimal
from functools import total_ordering
from typing import Any, ClassVar, Self

MAX_MINOR = 10**15 - 1
"""The largest amount: 9,999,999,999,999.99.

Fifteen digits are what a reader that uses doubles still gets exactly (RFC 8259, section 6).
"""

_MINOR_PER_MAJOR = 100


@total_ordering
class Money:
    """An amount from 0 to `MAX_MINOR` minor units (cents), in the shop's one currency.

    A value, never changed. Arithmetic is exact; a result outside the bounds is a ValueError. (No dataclass:
    msgspec would read one from a JSON object.)
    """

    __slots__ = ("minor",)

    minor: int

    wire_schema: ClassVar[dict[str, Any]] = {
        "type": "number",
        "minimum": 0,
        "maximum": MAX_MINOR / _MINOR_PER_MAJOR,
        "multipleOf": 0.01,
        "examples": [19.99],
    }

    def __init__(self, minor: int) -> None:
        if not 0 <= minor <= MAX_MINOR:
            raise ValueError(f"An amount of money lies between 0 and {Decimal(MAX_MINOR).scaleb(-2):,}")
        self.minor = minor

    @classmethod
    def from_wire(cls, value: object) -> Self:
        """The amount that a JSON number says.

        ValueError for a third decimal, a negative amount, one too large, and what is no number.
        """
        if not isinstance(value, (Decimal, int)) or isinstance(value, bool):
            raise ValueError("Expected an amount of money as a number, such as 19.99")  # noqa: TRY004 - told to clients
        numerator, denominator = value.as_integer_ratio()
        minor, rest = divmod(numerator * _MINOR_PER_MAJOR, denominator)
        if rest:
            raise ValueError("An amount of money has at most two decimals")
        return cls(minor)

    @classmethod
    def from_major(cls, value: float) -> Self:
        """The amount of what `to_wire` gave: the same check as `from_wire`, for a quarter of its time.

        Within the bounds each amount has a double of its own. ValueError for any that is no amount's.
        """
        minor = round(value * _MINOR_PER_MAJOR)
        if minor / _MINOR_PER_MAJOR != value:
            raise ValueError("An amount of money has at most two decimals")
        return cls(minor)

    def to_wire(self) -> float:
        """Major units: within the bounds the shortest number that says this double is exact, such as `19.9`."""
        return self.minor / _MINOR_PER_MAJOR

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + other.minor)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.minor * quantity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.minor == other.minor

    def __lt__(self, other: "Money") -> bool:
        return self.minor < other.minor

    def __hash__(self) -> int:
        return hash(self.minor)

    def __str__(self) -> str:
        return str(Decimal(self.minor).scaleb(-2))

    def __repr__(self) -> str:
        return f"<Money {self}>"


ZERO = Money(0)
