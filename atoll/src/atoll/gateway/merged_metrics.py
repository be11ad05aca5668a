"""The metrics of several processes as those of one."""

import re
from collections.abc import Iterable

_SAMPLE = re.compile(r"(?P<series>[A-Za-z_:][\w:]*(?:\{.*\})?) (?P<value>\S+)(?: \S+)?")
_HIGHEST = re.compile(r"\w+_(?:state|info|start_time_seconds|created|max_fds)\b")
"""What is the same for all, or of which the highest says most; everything else is added up."""


def merged(expositions: Iterable[str]) -> str:
    """One exposition out of several of the same program: the series of all, each with the sum of its values."""
    values: dict[str, float] = {}
    lines: dict[str, None] = {}
    for exposition in expositions:
        for line in exposition.splitlines():
            sample = None if line.startswith("#") else _SAMPLE.fullmatch(line)
            if sample is None:
                lines.setdefault(line)
                continue
            series, value = sample["series"], float(sample["value"])
            lines.setdefault(series)
            if series not in values:
                values[series] = value
            elif _HIGHEST.match(series):
                values[series] = max(values[series], value)
            else:
                values[series] += value
    return "".join(f"{line} {values[line]!r}\n" if line in values else f"{line}\n" for line in _in_families(lines))


def _in_families(lines: Iterable[str]) -> Iterable[str]:
    """Lines of one metric together, in the order in which the metrics came first: a series that only a later process
    has must not stand behind another metric."""
    families: dict[str, list[str]] = {}
    family = ""
    for line in lines:
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
        name = _family_of(line, families) or family
        families.setdefault(name, []).append(line)
    return (line for family_lines in families.values() for line in family_lines)


def _family_of(line: str, known: Iterable[str]) -> str:
    name = line.split(" ", 3)[2] if line.startswith("# ") else line.partition("{")[0].partition(" ")[0]
    return max((each for each in known if name.startswith(each)), key=len, default="")
