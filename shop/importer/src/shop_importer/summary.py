"""What became of the rows, on a page."""

from collections import Counter
from collections.abc import Sequence

from msgspec import UNSET
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shop_contracts.imports import ImportedRow, ImportReport

_NARROWEST = 60  # columns of a terminal that has room for the table


def print_summary(report: ImportReport, console: Console) -> None:
    """The rows that failed, what else is to be said, and the counts."""
    failed = [row for row in report.rows if row.outcome == "failed"]
    if failed:
        _print_failed(failed, console)
    if len(failed) < report.failed:
        console.print(f"… and {report.failed - len(failed)} more rows failed.")
    for sentence, rows in _remarks(report).most_common():
        console.print(f"{_rows(rows)}: {sentence}", markup=False)
    console.print(_counts(report), style="bold red" if report.failed else "bold green")


def _print_failed(rows: Sequence[ImportedRow], console: Console) -> None:
    if console.is_terminal and console.width >= _NARROWEST:
        console.print(_table(rows))
        return
    for row in rows:
        console.print(f"line {row.line}: {row.handle or '?'}: {row.detail}", markup=False, soft_wrap=True)


def _table(rows: Sequence[ImportedRow]) -> Table:
    table = Table(title="Rows that failed", title_justify="left")
    table.add_column("Line", justify="right")
    table.add_column("Handle", overflow="fold")
    table.add_column("What is wrong", overflow="fold")
    for row in rows:
        table.add_row(str(row.line), Text(row.handle), Text(str(row.detail)))
    return table


def _remarks(report: ImportReport) -> Counter[str]:
    """What is said about rows that did not fail, and of how many; only of those that are listed."""
    return Counter(row.detail for row in report.rows if row.outcome != "failed" and row.detail is not UNSET)


def _counts(report: ImportReport) -> str:
    outcomes = ("created", "updated", "unchanged", "skipped", "failed")
    counts = [f"{count} {name}" for name in outcomes if (count := getattr(report, name))]
    return ", ".join(counts) or "There was no row in the file."


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
