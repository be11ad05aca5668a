"""Guides written by people, with parts that come from the code between two marks."""

import re
from collections.abc import Mapping

_PART = re.compile(r"<!-- made by `make docs`: (?P<name>[^>]+) -->\n.*?<!-- until here -->", re.DOTALL)


def with_parts(guide: str, parts: Mapping[str, str]) -> str:
    """The guide with every marked part as it is now; KeyError for one that nobody makes."""

    def anew(part: re.Match[str]) -> str:
        name = part["name"]
        return f"<!-- made by `make docs`: {name} -->\n{parts[name].strip()}\n<!-- until here -->"

    return _PART.sub(anew, guide)
