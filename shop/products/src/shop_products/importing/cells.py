"""From one cell to what it says. `CellMistake` is a sentence about a cell that says nothing of use."""

import re
from typing import NamedTuple

from atoll import wire
from shop_contracts.money import Money
from shop_contracts.products import MAX_CATEGORY, MAX_DESCRIPTION, MAX_NAME, MAX_STOCK, refuse_high_price

NO_CATEGORY = "Uncategorised"

_SHOWN = 40  # characters of a cell in a sentence
_PRICE = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_COUNT = re.compile(r"(-?[0-9]{1,18})(?:\.0*)?")
_CATEGORY_NUMBER = re.compile(r"[0-9]*")
_ELLIPSIS = "…"


class CellMistake(ValueError):
    """A sentence about one cell."""


class Stock(NamedTuple):
    """How many there are, and a sentence when that is not what was written."""

    quantity: int
    note: str = ""


def name_in(title: str, options: tuple[str, ...]) -> str:
    """The title, and the option values of a variant that has any: `Clay Pot – Large / Red`."""  # noqa: RUF002 - a dash
    name = f"{title} – {' / '.join(filter(None, options))}" if options else title  # noqa: RUF001 - a dash
    return _no_longer_than(name, MAX_NAME, "name")


def category_in(type_: str, category: str) -> str:
    """The type; else the last part of a category such as `Home & Garden > Decor > Vases`, unless it is a number."""
    last_part = category.rpartition(">")[2].strip()
    if _CATEGORY_NUMBER.fullmatch(last_part):
        last_part = ""
    return _no_longer_than(one_line(type_ or last_part) or NO_CATEGORY, MAX_CATEGORY, "category")


def price_in(cell: str) -> Money:
    """The price, which must be there."""
    if not cell:
        raise CellMistake("The price is missing.")
    if not _PRICE.fullmatch(cell):
        raise CellMistake(
            f"The price {_shown(cell)} must be written like 1299.50: with a point before the decimals, "
            "and without thousands separators or a currency."
        )
    try:
        price = Money.from_wire(wire.exact_number(cell))
        refuse_high_price(price)
    except ValueError as error:
        raise CellMistake(f"The price {_shown(cell)} is refused. {error}.") from error
    return price


def stock_in(cell: str) -> Stock:
    """The stock; 0 for an empty cell, and, with a note, for more sold than there was."""
    written = _COUNT.fullmatch(cell or "0")
    quantity = int(written[1]) if written else MAX_STOCK + 1
    if quantity > MAX_STOCK:
        raise CellMistake(f"The stock {_shown(cell)} is not a whole number up to {MAX_STOCK}.")
    if quantity < 0:
        return Stock(0, f"The stock of {quantity} is taken as 0.")
    return Stock(quantity)


def one_line(text: str) -> str:
    """The text with single spaces for all white space."""
    return " ".join(text.split())


def shortened(description: str) -> str:
    """At most as much of it as a description may have, cut between words."""
    if len(description) <= MAX_DESCRIPTION:
        return description
    start = description[: MAX_DESCRIPTION - len(_ELLIPSIS)]
    whole_words = start.rpartition(" ")[0] if " " in start[-100:] else start
    return whole_words.rstrip() + _ELLIPSIS


def _no_longer_than(text: str, limit: int, what: str) -> str:
    if len(text) > limit:
        raise CellMistake(f"The {what} {_shown(text)} has {len(text)} characters; {limit} are the most.")
    return text


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}{_ELLIPSIS}"'
