"""The code that the guides to calls show does run."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from atoll.calls.ejection import most_ejected
from atoll.calls.settings import CallSettings

GUIDES = Path(__file__).parents[3] / "docs" / "guides" / "calls"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(page: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    (block,) = _BLOCK.findall((GUIDES / page).read_text(encoding="utf-8"))
    exec(compile(block, page, "exec"), names)  # noqa: S102 - our own page
    return names


@pytest.mark.parametrize(
    ("page", "call", "argument", "expected"),
    [
        ("circuit-breaker.md", "locate_or_not", "Paris", "somewhere near Paris"),
        ("retry.md", "fetch", "a", "contents of a"),
        ("bulkhead.md", "print_all", ["ab", "c"], 3),
        ("deadline.md", "both", ["really"], ["yes, really"]),
        ("fallback.md", "page", "kim", {"orders": [], "degraded": []}),
    ],
)
def test_each_page_shows_what_works(page: str, call: str, argument: object, expected: object) -> None:
    assert asyncio.run(run(page)[call](argument)) == expected


def test_every_setting_is_on_the_page() -> None:
    page = (GUIDES / "README.md").read_text(encoding="utf-8")

    assert [name for name in CallSettings.__struct_fields__ if name != "to" and f"`{name}`" not in page] == []


def test_the_table_of_ejections_is_right() -> None:
    assert [most_ejected(n) for n in (1, 2, 3, 4, 5, 6, 39, 40)] == [0, 1, 1, 2, 2, 3, 3, 4]
