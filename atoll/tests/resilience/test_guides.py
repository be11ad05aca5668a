"""The code that the guides to calls show does run."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from atoll.calls.ejection import most_ejected
from atoll.calls.settings import PARTS, CallSettings

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
        ("gathering.md", "prices_of", ["lamp", "desk lamp"], [4, 9]),
        ("fallback.md", "page", "kim", {"orders": [], "degraded": []}),
    ],
)
def test_each_page_shows_what_works(page: str, call: str, argument: object, expected: object) -> None:
    assert asyncio.run(run(page)[call](argument)) == expected


def test_every_setting_is_on_the_page() -> None:
    page = (GUIDES / "README.md").read_text(encoding="utf-8")

    assert [name for name in CallSettings.__struct_fields__ if name != "to" and f"`{name}`" not in page] == []


def rows(page: str) -> Iterator[tuple[list[str], str]]:
    """Of each table with defaults: the names in a row, and the default as it is written there."""
    for line in (GUIDES / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = re.findall(r"`(\w+)`", cells[0])
        if line.startswith("|") and names:
            yield names, cells[1]


def ways_to_write(value: float) -> set[str]:
    return {f"{value:g}", f"{value * 100:g} %", f"{value * 1000:g} ms", "a fifth" if value == 0.2 else ""}


def defaults() -> dict[str, float | None]:
    policy = CallSettings().policy_for("anyone")
    parts = (policy.bulkhead, policy.retry, policy.retry_budget, policy.circuit_breaker)
    by_setting = {
        setting: getattr(getattr(policy, part), field)
        for part, fields in PARTS.items()
        for field, setting in fields.items()
    }
    return {name: value for part in parts for name, value in asdict(part).items()} | by_setting


@pytest.mark.parametrize("page", ["README.md", "bulkhead.md", "circuit-breaker.md", "retry.md", "deadline.md"])
def test_each_default_on_a_page_is_the_one_in_the_code(page: str) -> None:
    known = defaults()
    wrong = [
        (name, value, written)
        for names, written in rows(page)
        for name in names
        if (value := known[name]) is not None
        and not any(re.search(rf"(?<![\d.]){re.escape(way)}(?![\d.])", written) for way in ways_to_write(value) if way)
    ]

    assert wrong == []
    assert len(list(rows(page))) >= 2


def test_the_table_of_ejections_is_right() -> None:
    assert [most_ejected(n) for n in (1, 2, 3, 4, 5, 6, 39, 40)] == [0, 1, 1, 2, 2, 3, 3, 4]
