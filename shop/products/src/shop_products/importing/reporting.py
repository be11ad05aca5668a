"""What became of the rows, in bounded memory."""

from collections import Counter

from msgspec import UNSET

from shop_contracts.imports import ImportedRow, ImportOutcome, ImportReport

MAX_LISTED = 1000
"""Rows that a report lists of those that failed, and as many of the others; all are counted."""


class Reporting:
    """A report in the making."""

    def __init__(self) -> None:
        self._counts: Counter[ImportOutcome] = Counter()
        self._failed: list[ImportedRow] = []
        self._others: list[ImportedRow] = []

    def add(self, line: int, handle: str, outcome: ImportOutcome, *, product_id: str = "", detail: str = "") -> None:
        """Count a row, and list it while there is room."""
        self._counts[outcome] += 1
        listed = self._failed if outcome == "failed" else self._others
        if len(listed) < MAX_LISTED:
            row = ImportedRow(
                line=line,
                handle=handle,
                outcome=outcome,
                product_id=product_id or UNSET,
                detail=detail or UNSET,
            )
            listed.append(row)

    def report(self) -> ImportReport:
        """Everything that was added so far, in the order of the lines."""
        rows = sorted([*self._failed, *self._others], key=lambda row: row.line)
        return ImportReport(
            created=self._counts["created"],
            updated=self._counts["updated"],
            unchanged=self._counts["unchanged"],
            skipped=self._counts["skipped"],
            failed=self._counts["failed"],
            rows=rows,
            unlisted=self._counts.total() - len(rows),
        )
