import io

from rich.console import Console

from shop_contracts.imports import ImportedRow, ImportReport
from shop_importer.summary import print_summary

COUNTS = {"created": 0, "updated": 0, "unchanged": 0, "skipped": 0, "failed": 0}
FAILED = ImportedRow(line=7, handle="pot", outcome="failed", detail="The price [is] missing.")


def printed(*rows: ImportedRow, terminal: bool = False, unlisted: int = 0, **counts: int) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, no_color=True, width=100, highlight=False)
    print_summary(ImportReport(**COUNTS | counts, rows=list(rows), unlisted=unlisted), console)
    return out.getvalue()


def test_the_counts_that_are_not_zero_are_told() -> None:
    assert printed(created=21, unchanged=3) == "21 created, 3 unchanged\n"


def test_a_file_without_rows_is_told() -> None:
    assert printed() == "There was no row in the file.\n"


def test_failed_rows_are_lines_where_no_terminal_is() -> None:
    assert printed(FAILED, failed=1) == "line 7: pot: The price [is] missing.\n1 failed\n"


def test_a_failed_row_without_a_handle_has_a_question_mark() -> None:
    row = ImportedRow(line=8, handle="", outcome="failed", detail="The handle is missing.")

    assert printed(row, failed=1).startswith("line 8: ?: The handle is missing.")


def test_failed_rows_are_a_table_on_a_terminal() -> None:
    page = printed(FAILED, terminal=True, failed=1)

    assert "Rows that failed" in page
    assert "The price [is] missing." in page
    assert "1 failed" in page


def test_failed_rows_that_are_not_listed_are_counted() -> None:
    assert "… and 40 more rows failed." in printed(FAILED, failed=41, unlisted=40)


def test_remarks_on_other_rows_are_told_once_with_their_number() -> None:
    drafts = [ImportedRow(line=n, handle="x", outcome="skipped", detail="It is a draft.") for n in (2, 3)]
    noted = ImportedRow(line=4, handle="y", outcome="created", product_id="p", detail="The stock is taken as 0.")

    assert printed(*drafts, noted, created=1, skipped=2) == (
        "2 rows: It is a draft.\n1 row: The stock is taken as 0.\n1 created, 2 skipped\n"
    )
