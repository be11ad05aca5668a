"""Small pieces of Markdown, as GitHub reads it."""

import re
from collections.abc import Iterable, Sequence

BY_MAKE_DOCS = "<!-- Written by `make docs` from the code; a change here is lost. -->"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def page(*parts: str) -> str:
    """The parts that are not empty, with a blank line between."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def anchor(heading: str) -> str:
    """Where a link to the heading leads."""
    return "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")
