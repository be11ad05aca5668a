"""`POST /products/import`, from the bytes of a file to the catalogue, its stock, and the report."""

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import pytest

from atoll.clock import Clock
from atoll.events import Outbox
from atoll.ids import uuid7
from atoll.storage import Database
from atoll.testing.callers import Callers
from shop_products.use_cases.import_catalogue import ImportCatalogue
from shop_products.use_cases.take_over import TakeOver

SHOP = Path(__file__).parents[2]
SAMPLE = SHOP / "sample" / "catalogue.csv"
REAL_EXPORTS = Path(os.environ.get("REAL_EXPORTS", SHOP.parents[1] / "shared" / "data"))
"""A folder with exports of real shops, which are not ours to ship."""

HEADER = "Handle,Title,Body (HTML),Type,Option1 Value,Variant Price,Variant Inventory Qty,Status"

Import: TypeAlias = Callable[..., Any]


@pytest.fixture
def import_file(admin: httpx2.AsyncClient) -> Import:
    """Sends rows below the usual header, or a whole file, and returns the report."""

    async def import_file(*rows: str, content: bytes = b"") -> dict[str, Any]:
        body = content or "\n".join([HEADER, *rows]).encode()
        answer = await admin.post("/products/import", content=body, headers={"Content-Type": "text/csv"})
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report

    return import_file


async def catalogue(anyone: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    """All products by their names."""
    page = (await anyone.get("/products?limit=200")).json()
    found = list(page["items"])
    while page["nextCursor"]:
        page = (await anyone.get("/products?limit=200", params={"cursor": page["nextCursor"]})).json()
        found += page["items"]
    return {product["name"]: product for product in found}


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in report.items() if name != "rows" and count}


async def test_rows_become_products_with_stock_and_ledger(
    import_file: Import, anyone: httpx2.AsyncClient, database: Database, ledger: Any
) -> None:
    report = await import_file("pot,Clay Pot,<p>Clay</p>,Garden,Small,9.99,3,", "pot,,,,Large,15.99,0,")
    products = await catalogue(anyone)
    small = products["Clay Pot – Small"]  # noqa: RUF001 - a dash

    assert report == {
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "skipped": 0,
        "failed": 0,
        "rows": [
            {"line": 2, "handle": "pot", "outcome": "created", "productId": small["id"]},
            {"line": 3, "handle": "pot", "outcome": "created", "productId": products["Clay Pot – Large"]["id"]},  # noqa: RUF001 - a dash
        ],
        "unlisted": 0,
    }
    assert {
        "description": "Clay",
        "category": "Garden",
        "price": 9.99,
        "stock": 3,
        "version": 1,
    }.items() <= small.items()
    assert await ledger.of(small["id"]) == [(3, "added", None)]
    assert await ledger.mismatches() == []


async def test_the_report_says_why_rows_failed_or_were_skipped(import_file: Import) -> None:
    report = await import_file("pot,Pot,,,,,3,", "jug,Jug,,,,5,,draft", "cup,Cup,,,,5,-1,")

    assert counts(report) == {"created": 1, "skipped": 1, "failed": 1}
    assert report["rows"][:2] == [
        {"line": 2, "handle": "pot", "outcome": "failed", "detail": "The price is missing."},
        {"line": 3, "handle": "jug", "outcome": "skipped", "detail": "The product's status is draft."},
    ]
    assert report["rows"][2]["detail"] == "The stock of -1 is taken as 0."


async def test_the_same_file_again_changes_nothing(import_file: Import, anyone: httpx2.AsyncClient) -> None:
    first = await import_file("pot,Pot,,,,9.99,3,", "jug,Jug,,,,5,1,")
    before = await catalogue(anyone)
    again = await import_file("pot,Pot,,,,9.99,3,", "jug,Jug,,,,5,1,")

    assert counts(again) == {"unchanged": 2}
    assert [row["productId"] for row in first["rows"]] == [row["productId"] for row in again["rows"]]
    assert before == await catalogue(anyone)


async def test_a_changed_file_changes_all_but_the_stock(
    import_file: Import, anyone: httpx2.AsyncClient, ledger: Any
) -> None:
    first = await import_file("pot,Pot,,,,9.99,3,", "jug,Jug,,,,5,1,")
    report = await import_file("pot,Clay Pot,Clay,Garden,,12,50,", "jug,Jug,,,,5,1,")
    pot = (await catalogue(anyone))["Clay Pot"]

    assert counts(report) == {"updated": 1, "unchanged": 1}
    assert pot["id"] == first["rows"][0]["productId"]
    assert {"description": "Clay", "category": "Garden", "price": 12, "stock": 3, "version": 2}.items() <= pot.items()
    assert await ledger.mismatches() == []


async def test_a_product_that_was_taken_out_comes_back_as_a_new_one(
    import_file: Import, admin: httpx2.AsyncClient, ledger: Any
) -> None:
    first = (await import_file("pot,Pot,,,,9.99,3,"))["rows"][0]["productId"]
    await admin.delete(f"/products/{first}")
    report = await import_file("pot,Pot,,,,9.99,3,")

    assert counts(report) == {"created": 1}
    assert report["rows"][0]["productId"] != first
    assert counts(await import_file("pot,Pot,,,,9.99,3,")) == {"unchanged": 1}
    assert await ledger.mismatches() == []


@pytest.mark.parametrize("between", [0, 120])
async def test_a_variant_that_is_there_twice_fails_the_second_time(import_file: Import, between: int) -> None:
    others = [f"other-{number},Other,,,,1,," for number in range(between)]
    report = await import_file("pot,Pot,,,Small,9.99,3,", *others, "pot,Pot,,,Small,5,1,")
    failed = report["rows"][-1]

    assert counts(report) == {"created": 1 + between, "failed": 1}
    assert failed["line"] == between + 3
    assert failed["detail"] == "Line 2 has the same handle and option values."


@pytest.mark.parametrize(
    ("content_type", "content", "refusal"),
    [
        ("text/csv", b"Name,Price\nPot,1\n", (422, "lacks the columns Handle, Title")),
        ("text/csv", b"", (422, "The body is empty")),
        ("text/csv", b"PK\x03\x04\x00", (415, "no text")),
        ("text/csv; charset=latin-1", HEADER.encode(), (415, "latin-1")),
        ("application/json", b"{}", (415, "send text/csv")),
        ("", HEADER.encode(), (415, "send text/csv")),
    ],
)
async def test_what_is_no_catalogue_is_refused_whole(
    admin: httpx2.AsyncClient, content_type: str, content: bytes, refusal: tuple[int, str]
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await admin.post("/products/import", content=content, headers=headers)
    status, words = refusal

    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert await catalogue(admin) == {}


@pytest.mark.parametrize("content_type", ["application/csv", "text/csv; charset=utf-8", "text/csv; charset=UTF-16"])
async def test_csv_is_taken_under_all_its_names(admin: httpx2.AsyncClient, content_type: str) -> None:
    encoding = "utf-16" if "16" in content_type else "utf-8"
    body = f"{HEADER}\nblå,Blåbær,,,,5,1,".encode(encoding)
    answer = await admin.post("/products/import", content=body, headers={"Content-Type": content_type})

    assert answer.json()["created"] == 1


async def test_only_administrators_import(anyone: httpx2.AsyncClient, callers: Callers) -> None:
    csv = {"Content-Type": "text/csv"}
    nobody = await anyone.post("/products/import", content=b"", headers=csv)
    user = await anyone.post("/products/import", content=b"", headers=csv | callers.user("u"))

    assert nobody.status_code == 401
    assert user.status_code == 403


async def test_the_sample_catalogue_is_taken_whole(
    import_file: Import, anyone: httpx2.AsyncClient, ledger: Any
) -> None:
    report = await import_file(content=SAMPLE.read_bytes())
    products = await catalogue(anyone)

    assert counts(report) == {"created": 273}
    assert len(products) == 273
    assert len({product["category"] for product in products.values()}) == 8
    assert await ledger.mismatches() == []


async def test_a_real_export_is_taken_whole(import_file: Import, anyone: httpx2.AsyncClient) -> None:
    export = REAL_EXPORTS / "home-and-garden.csv"
    if not export.exists():
        pytest.skip("home-and-garden.csv, an export of a real shop, is not here; REAL_EXPORTS says where it is.")
    report = await import_file(content=export.read_bytes())
    products = await catalogue(anyone)

    assert counts(report) == {"created": 21}
    assert products["Clay Plant Pot – Large"]["price"] == 15.99  # noqa: RUF001 - a dash
    assert products["Biodegradable cardboard pots"]["stock"] == 8


async def test_memory_does_not_grow_with_the_file(admin: httpx2.AsyncClient) -> None:
    """Ten megabytes of rows, of every outcome, go through less than four of memory.

    Half a one is what the broker in this process keeps.
    """
    sent = 0

    async def file() -> AsyncIterator[bytes]:
        nonlocal sent
        body = "<p>" + "word " * 900 + "</p>"
        yield HEADER.encode()
        for number in range(2400):
            price = "" if number % 3 == 0 else "9.99"
            row = f"\nthing-{number},Thing,{body},,,{price},1,".encode()
            sent += len(row)
            yield row

    tracemalloc.start()
    try:
        answer = await admin.post("/products/import", content=file(), headers={"Content-Type": "text/csv"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert counts(answer.json()) == {"created": 1600, "failed": 800, "unlisted": 600}
    assert sent > 10_000_000
    assert peak < 4_000_000


async def test_others_are_served_while_a_file_is_on_its_way(
    admin: httpx2.AsyncClient, anyone: httpx2.AsyncClient
) -> None:
    on_sale: list[int] = []

    async def file() -> AsyncIterator[bytes]:
        yield HEADER.encode() + b"\n"
        for number in range(200):
            yield f"thing-{number},Thing {number},,,,1,1,\n".encode()
        on_sale.append(len(await catalogue(anyone)))

    await admin.post("/products/import", content=file(), headers={"Content-Type": "text/csv"})

    assert on_sale[0] >= 100


async def test_a_file_that_is_imported_twice_at_once_is_imported_once(
    import_file: Import, anyone: httpx2.AsyncClient, ledger: Any
) -> None:
    rows = [f"thing-{number},Thing {number},,,,1,1," for number in range(200)]
    one, other = await asyncio.gather(import_file(*rows), import_file(*rows))

    assert one["created"] + other["created"] == 200
    assert one["unchanged"] + other["unchanged"] == 200
    assert len(await catalogue(anyone)) == 200
    assert await ledger.mismatches() == []


async def test_what_came_before_a_file_breaks_off_is_imported(
    import_file: Import, anyone: httpx2.AsyncClient, database: Database, clock: Clock
) -> None:
    rows = [f"thing-{number},Thing {number},,,,1,1," for number in range(120)]
    new_id = uuid7(clock)
    import_catalogue = ImportCatalogue(TakeOver(database, Outbox("products"), clock, new_id), clock, new_id)

    async def file() -> AsyncIterator[bytes]:
        yield "\n".join([HEADER, *rows]).encode()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await import_catalogue(file())
    kept = len(await catalogue(anyone))
    again = await import_file(*rows)

    assert 0 < kept < 120
    assert counts(again) == {"unchanged": kept, "created": 120 - kept}
