"""Every generated page, by its place in `docs/`."""

from pathlib import Path

from docs.generate.api import api_pages
from docs.generate.command_help import command_help
from docs.generate.problems import problem_pages
from docs.generate.settings import settings_tables
from docs.generate.within_guides import with_parts

DOCS = Path(__file__).parents[1]
GENERATED_FOLDERS = ("api", "problems")
"""Folders that hold nothing but generated pages."""


def pages() -> dict[Path, str]:
    """The text of every page, as the code says now; guides keep what people wrote in them."""
    running = Path("guides/running.md")
    guide = with_parts((DOCS / running).read_text(encoding="utf-8"), {**settings_tables(), **command_help()})
    return {**_in("api", api_pages()), **_in("problems", problem_pages()), running: guide}


def _in(folder: str, found: dict[str, str]) -> dict[Path, str]:
    return {Path(folder, name): text for name, text in found.items()}
