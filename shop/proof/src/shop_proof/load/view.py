"""The live line: on a terminal it stays in its place, elsewhere it comes once a second."""

import sys
from types import TracebackType
from typing import IO, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

TERMINAL_PAUSE = 0.25
"""Seconds between two looks."""

PLAIN_PAUSE = 1.0


class View(Protocol):
    """Shows how the load goes. Enter it before use."""

    pause: float
    """Seconds between two lines."""

    def show(self, line: str) -> None:
        """How it goes now."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class TerminalView:
    """One line that changes."""

    pause = TERMINAL_PAUSE

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def show(self, line: str) -> None:
        self._live.update(Text(line), refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()


class PlainView:
    """One line after the other."""

    pause = PLAIN_PAUSE

    def __init__(self, out: IO[str] | None = None) -> None:
        self._out = out or sys.stdout

    def show(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


def view_for(console: Console) -> View:
    """The view that suits where the output goes."""
    return TerminalView(console) if console.is_terminal else PlainView(console.file)
