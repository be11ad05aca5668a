"""Every link from one page of the project to another leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

from docs.generate.markdown import anchor

ROOT = Path(__file__).parents[2]

_LINK = re.compile(r"\[[^\]]*\]\((?!https?:)(?P<path>[^)#\s]*)(?P<anchor>#[^)\s]+)?\)")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    places = [ROOT.glob("*.md"), *((ROOT / folder).rglob("*.md") for folder in ("atoll", "docs", "shop"))]
    return [page for place in places for page in place if "node_modules" not in page.parts]


def dead_links(page: Path) -> Iterator[str]:
    for link in _LINK.finditer(_CODE.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        if not target.exists():
            yield f"{page.relative_to(ROOT)}: {link[0]} leads nowhere"
        elif link["anchor"] and link["anchor"] not in headings(target):
            yield f"{page.relative_to(ROOT)}: {link[0]} names no heading there"


def headings(page: Path) -> set[str]:
    return {anchor(heading["text"]) for heading in _HEADING.finditer(_CODE.sub("", page.read_text(encoding="utf-8")))}


def test_no_link_is_dead() -> None:
    assert [] == [dead for page in pages() for dead in dead_links(page)]
