"""What was found in a row. `line` is where the row begins, the first line of the file being 1."""

from typing import NamedTuple, TypeAlias

from shop_contracts.products import NewProduct


class Variant(NamedTuple):
    """A product to have in the catalogue. `handle` and `options` tell it from all others, whatever its name becomes.

    `note` is a sentence about what was not taken as it was written; mostly empty.
    """

    line: int
    handle: str
    options: str
    product: NewProduct
    note: str = ""


class Skipped(NamedTuple):
    """A row that says itself that it is not to be shown; `reason` is a sentence."""

    line: int
    handle: str
    reason: str


class Mistaken(NamedTuple):
    """A row that cannot be taken; `reason` is one or more sentences."""

    line: int
    handle: str
    reason: str


Found: TypeAlias = Variant | Skipped | Mistaken
