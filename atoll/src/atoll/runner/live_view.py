"""A table of the services at the foot of the terminal, with their logs scrolling above."""

from collections.abc import Iterable, Sequence
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from atoll.runner.plain_view import RUNNER
from atoll.runner.quantities import duration, size
from atoll.runner.view import ServiceRow, Tone

_PREFIX_STYLES = ("cyan", "magenta", "blue", "yellow", "green", "bright_cyan", "bright_magenta", "bright_blue")
_STATE_STYLES = {
    "up": "green",
    "starting": "yellow",
    "stopping": "yellow",
    "paused": "red",
    "failed": "bold red",
}
_TONE_STYLES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "bold red"}


class LiveView:
    """Draws only when told; the table stays on the screen when the system has stopped."""

    refresh_interval: float | None = 1.0

    def __init__(self, services: Iterable[str], console: Console | None = None) -> None:
        names = list(services)
        self._console = console or Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._width = max(map(len, [*names, RUNNER]))
        self._styles = {name: _PREFIX_STYLES[i % len(_PREFIX_STYLES)] for i, name in enumerate(names)}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def log(self, service: str, line: str) -> None:
        self._print(service, Text.from_ansi(line))

    def say(self, sentence: str, tone: Tone = Tone.PLAIN) -> None:
        for line in sentence.splitlines():
            self._print(RUNNER, Text(line, style=_TONE_STYLES[tone]))

    def show(self, rows: Sequence[ServiceRow]) -> None:
        self._live.update(service_table(rows), refresh=True)

    def _print(self, who: str, text: Text) -> None:
        style = self._styles.get(who, "bold")
        self._console.print(Text.assemble((f"{who:{self._width}} │ ", style), text), soft_wrap=True)


def service_table(rows: Sequence[ServiceRow]) -> Table:
    """One line for each service."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("service", "state"):
        table.add_column(column)
    for column in ("port", "pid", "uptime", "restarts", "memory"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.name,
            Text(row.state, style=_STATE_STYLES.get(row.state, "dim")),
            str(row.port or "-"),
            str(row.pid or "-"),
            duration(row.uptime),
            str(row.restarts),
            size(row.memory),
        )
    return table
