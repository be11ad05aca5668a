from msgspec import UNSET

from shop_contracts.imports import ImportedRow
from shop_products.importing.reporting import MAX_LISTED, Reporting


def test_rows_are_listed_in_the_order_of_their_lines() -> None:
    reporting = Reporting()
    reporting.add(3, "jug", "failed", detail="The price is missing.")
    reporting.add(2, "pot", "created", product_id="p1")
    report = reporting.report()

    assert report.rows == [
        ImportedRow(line=2, handle="pot", outcome="created", product_id="p1"),
        ImportedRow(line=3, handle="jug", outcome="failed", detail="The price is missing."),
    ]
    assert report.rows[0].detail is UNSET
    assert (report.created, report.failed, report.unlisted) == (1, 1, 0)


def test_all_rows_are_counted_and_the_first_ones_listed() -> None:
    reporting = Reporting()
    for line in range(2, 5002):
        reporting.add(line, "pot", "created")
        reporting.add(line, "jug", "failed")
    report = reporting.report()

    assert (report.created, report.failed) == (5000, 5000)
    assert len(report.rows) == 2 * MAX_LISTED
    assert report.unlisted == 10_000 - 2 * MAX_LISTED
