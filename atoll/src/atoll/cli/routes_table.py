"""The tables of `atoll routes`."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from atoll.gateway.limits import Limit
from atoll.gateway.settings import ALL_METHODS, RouteSettings
from atoll.limits.rates import in_words

_PREFIX = "/api"
_SIZES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "bytes"))


def routes_table(routes: Sequence[RouteSettings]) -> Table:
    """One line for each rule, in the order of the file."""
    table = _table("path", "methods", "to", "access", "limit", "rules of its own")
    for route in routes:
        table.add_row(
            _PREFIX + route.path,
            "all" if route.methods == ALL_METHODS else " ".join(route.methods),
            route.to,
            _access(route.access),
            "none" if not route.cost else route.limit if route.cost == 1 else f"{route.limit}, {route.cost} units",
            ", ".join(_rules_of(route)),
        )
    return table


def limits_table(limits: Mapping[str, Limit]) -> Table:
    """One line for each limit."""
    table = _table("limit", "each address", "each user instead")
    for name, limit in limits.items():
        table.add_row(name, in_words(limit.address), "" if limit.user is None else in_words(limit.user))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    first, *others = columns
    table.add_column(first, no_wrap=True, overflow="fold")  # what it is about is there whole on any terminal
    for column in others:
        table.add_column(column, overflow="fold")
    return table


def _access(access: str) -> Text:
    return Text(access, style={"public": "yellow", "user": "green"}.get(access, "cyan"))


def _size(count: int) -> str:
    """`1 MiB`: in the greatest unit of which it is a whole number."""
    size, unit = next((size, unit) for size, unit in _SIZES if count % size == 0)
    return f"{count // size:,} {unit}"


def _rules_of(route: RouteSettings) -> list[str]:
    """What is not as it is by default."""
    usual = RouteSettings(path="", to="", access="")
    seconds = {
        "attempt": route.attempt_timeout,
        "total": route.total_timeout,
        "silence": route.silence_timeout,
    }
    return [
        *([f"{route.priority} priority"] if route.priority != usual.priority else []),
        *(["endless"] if route.endless else []),
        *([f"bodies up to {_size(route.body_limit)}"] if route.body_limit != usual.body_limit else []),
        *[f"{name} {value:g} s" for name, value in seconds.items() if value is not None],
        *([f"pages of {' '.join(route.cors) or 'nobody'}"] if route.cors is not None else []),
    ]
