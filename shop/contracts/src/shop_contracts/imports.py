"""What products answers to an import: what became of each row."""

from typing import Literal, TypeAlias

from msgspec import UNSET, UnsetType

from atoll.wire import Model

ImportOutcome: TypeAlias = Literal["created", "updated", "unchanged", "skipped", "failed"]


class ImportedRow(Model):
    """What became of one row. `line` is where it begins in the file, the first being 1.

    `product_id` is that of the product which the row stands for; `detail` says why a row failed or was skipped,
    or what of it was not taken as it was written.
    """

    line: int
    handle: str
    outcome: ImportOutcome
    product_id: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class ImportReport(Model):
    """How many rows had which outcome, and the rows in the order of their lines.

    All rows are counted, those with further images of a product excepted. Listed are the first 1,000 that failed and
    the first 1,000 others; `unlisted` are the rest.
    """

    created: int
    updated: int
    unchanged: int
    skipped: int
    failed: int
    rows: list[ImportedRow]
    unlisted: int
