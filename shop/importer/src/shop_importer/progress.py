"""How far the file is: a bar on a terminal, lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

_STEPS = 10  # lines, of a file that takes its time
_WORTH_STEPS = 10_000_000  # bytes


@contextmanager
def progress_of(file: Path, console: Console) -> Iterator[Callable[[int], None]]:
    """Gives a function to be told, again and again, how many more bytes have been sent."""
    size = file.stat().st_size
    shown = _bar(file, size, console) if console.is_terminal else _lines(file, size, console)
    with shown as sent:
        yield sent


@contextmanager
def _bar(file: Path, size: int, console: Console) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(file.name, total=size)
        yield lambda count: progress.advance(task, count)


@contextmanager
def _lines(file: Path, size: int, console: Console) -> Iterator[Callable[[int], None]]:
    console.print(f"Importing {file.name}, {decimal(size)}", markup=False)
    step = size // _STEPS if size >= _WORTH_STEPS else size + 1
    done = 0

    def sent(count: int) -> None:
        nonlocal done
        if (done + count) // step > done // step:
            console.print(f"{(done + count) * 100 // size} % sent")
        done += count

    yield sent
