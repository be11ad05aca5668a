"""Catalogues on their way into a running shop: the sample, `atoll import`, and a file larger than memory should be."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.shopping import PASSWORD, Shop

from atoll.runner.process_memory import resident_memory

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

MEGABYTE = 1_000_000
HEADER = "Handle,Title,Body (HTML),Variant Price,Variant Inventory Qty"


async def atoll_import(shop: Shop, *arguments: str) -> tuple[int, str]:
    """The exit code of the command, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "atoll.cli", "import", "--data", str(shop.system.data), *arguments),
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_a_new_shop_has_the_sample_catalogue_on_sale(shop: Shop) -> None:
    page = await shop.visitor.ask("GET", "/api/products?limit=200")

    assert len(page["items"]) == 200
    assert page["nextCursor"]


async def test_a_file_without_mistakes_is_imported(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.csv"
    file.write_text(f"{HEADER}\nwind-chime,Wind Chime,<p>Bamboo</p>,19.90,3\n")
    first = await atoll_import(shop, str(file))
    again = await atoll_import(shop, str(file))
    (chime,) = (await shop.visitor.ask("GET", "/api/products?q=wind+chime"))["items"]

    assert first == (0, "Importing catalogue.csv, 105 bytes\n1 created\n")
    assert again == (0, "Importing catalogue.csv, 105 bytes\n1 unchanged\n")
    assert (chime["description"], chime["price"], chime["stock"]) == ("Bamboo", 19.9, 3)


async def test_bad_rows_are_told_by_line_and_make_the_exit_code_1(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.csv"
    file.write_text(f"{HEADER}\nsundial,Sundial,,,1\nbird-bath,Bird Bath,,35,1\n")
    code, printed = await atoll_import(shop, "--email", "boss@example.com", "--password", PASSWORD, str(file))

    assert code == 1
    assert "line 2: sundial: The price is missing." in printed
    assert "1 created, 1 failed" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--email", "nobody@example.com", "--password", "not the right one"], "Error: "),
        (["--url", "http://127.0.0.1:9"], "The shop at http://127.0.0.1:9 gives no answer"),
        ([], "it lacks the columns Handle, Title, Variant Price"),
    ],
)
async def test_what_cannot_be_imported_at_all_makes_the_exit_code_2(
    shop: Shop, tmp_path: Path, arguments: list[str], words: str
) -> None:
    file = tmp_path / "nothing.csv"
    file.write_text("nothing\n" * 100_000)
    code, printed = await atoll_import(shop, *arguments, str(file))

    assert code == 2
    assert words in printed


async def test_a_file_of_any_size_passes_the_door_and_is_never_held_whole(shop: Shop) -> None:
    pids = [shop.system.service(name).pid for name in ("gateway", "products")]
    await send_megabytes(shop, 2)
    before = [resident_memory(pid) or 0 for pid in pids]
    report = await send_megabytes(shop, 40)
    after = [resident_memory(pid) or 0 for pid in pids]

    assert (report["created"], report["unchanged"]) == (7600, 400)
    assert max(now - then for now, then in zip(after, before, strict=True)) < 20 * MEGABYTE


async def send_megabytes(shop: Shop, megabytes: int) -> dict[str, int]:
    """Import that much, in rows of five kilobytes; returns the report."""
    text = "<p>" + "word " * 980 + "</p>"

    async def file() -> AsyncIterator[bytes]:
        yield HEADER.encode()
        for number in range(megabytes * 200):
            yield f"\nthing-{number},Thing {number},{text},1,1".encode()

    headers = {"Authorization": f"Bearer {shop.admin.token}", "Content-Type": "text/csv"}
    answer = await shop.http.post("/api/products/import", content=file(), headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text
    report: dict[str, int] = answer.json()
    return report
