"""A table of the services at the foot of the terminal, with their logs scrolling above."""

from collections.abc import Iterable, Sequence
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
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
_TONE_STYLES = {Tone.PLAIN: "none", Tone.GOOD: "green", Tone.BAD: "bold red"}


class LiveView:
    """Draws only when told; the table stays on the screen when the system has stopped."""

    def __init__(self, services: Iterable[str], console: Console | None = None) -> None:
        names = list(services)
        self._console = console or Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._width = max(map(len, [*names, RUNNER]))
        self._prefixes = {
            name: self._prefix(name, _PREFIX_STYLES[i % len(_PREFIX_STYLES)]) for i, name in enumerate(names)
        }
        self._prefixes[RUNNER] = self._prefix(RUNNER, "bold")
        self._held: list[str] = []

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self._live.stop()

    def log(self, service: str, line: str) -> None:
        self._held.append(f"{self._prefixes[service]}{line}")

    def say(self, sentence: str, tone: Tone = Tone.PLAIN) -> None:
        for line in sentence.splitlines():
            self.log(RUNNER, self._styled(line, _TONE_STYLES[tone]))

    def flush(self) -> None:
        if self._held:
            lines, self._held = self._held, []
            self._console.print(_AsItIs("".join(f"{line}\n" for line in lines)), end="", crop=False)

    def show(self, rows: Sequence[ServiceRow]) -> None:
        self.flush()
        self._live.update(service_table(rows), refresh=True)

    def _prefix(self, name: str, style: str) -> str:
        return self._styled(f"{name:{self._width}} │ ", style)

    def _styled(self, text: str, style: str) -> str:
        colours = None if self._console.no_color else self._console._color_system
        return Style.parse(style).render(text, color_system=colours)


class _AsItIs:
    """Text that is written as it is, colours of the services included: thousands of lines a second cost little."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)


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
