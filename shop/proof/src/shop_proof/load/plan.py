"""What a load is asked to do."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

LONGEST = 600.0
"""Seconds: less than the life of an access token."""

MOST_ACTIONS = 1_000_000
MOST_BUYERS = 1_000
MOST_HANDS = 1_000
MOST_LINES = 20

_LINES = re.compile(r"(\d{1,2})(?:-(\d{1,2}))?")


class Kind(StrEnum):
    """What is done: by buyers, and by the administrator who fills the shelves up."""

    PLACE = "place"
    CANCEL = "cancel"
    READ = "read"
    REPEAT = "repeat"
    RESTOCK = "restock"


DEFAULT_MIX: Mapping[Kind, int] = {
    Kind.PLACE: 70,
    Kind.CANCEL: 8,
    Kind.READ: 15,
    Kind.REPEAT: 5,
    Kind.RESTOCK: 2,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that can be chosen.

    `hands` is how many actions are under way at once. With a `rate`, in actions a second, they begin on schedule
    whether the last ones have ended or not, as far as there are hands. `stock` asks for new products with so many
    units each, and a load that is `told` in a history makes new ones too, for itself alone; else, and without
    `existing`, the products of earlier loads serve as well.
    """

    url: str
    buyers: int
    hands: int
    rate: float | None
    seconds: float
    count: int
    lines: range
    mix: Mapping[Kind, int]
    existing: bool
    stock: int | None
    told: bool


def parse_lines(text: str) -> range:
    """`3`, or `1-5` for any number between; ValueError for what is not within 1 to 20."""
    found = _LINES.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= MOST_LINES:
        raise ValueError(f"An order has 1 to {MOST_LINES} lines here: write 3, or 1-5 for any number between.")
    return range(first, last + 1)


def parse_mix(text: str) -> dict[Kind, int]:
    """`place=80,read=20`: how often each is done, in parts of the sum; ValueError says what is wrong."""
    mix: dict[Kind, int] = {}
    for part in text.split(","):
        name, _, weight = (word.strip() for word in part.partition("="))
        if name not in {*Kind} or not weight.isdigit() or len(weight) > 6:
            raise ValueError(f"{part.strip()!r} is no part of a mix: write {written(DEFAULT_MIX)}.")
        mix[Kind(name)] = int(weight)
    if not mix.get(Kind.PLACE):
        raise ValueError("A mix needs orders to be placed: the others do something with these.")
    return mix


def written(mix: Mapping[Kind, int]) -> str:
    """The mix as `parse_mix` reads it."""
    return ",".join(f"{kind}={weight}" for kind, weight in mix.items())


def local_url(url: str) -> str:
    """The URL of a gateway of this machine; ValueError for any other: nobody loads what is not their own."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is not the address of a gateway; write http://127.0.0.1:3000.")
    if not _is_loopback(parts.hostname):
        raise ValueError(f"{parts.hostname} is not this machine, and `atoll load` loads nothing else.")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
