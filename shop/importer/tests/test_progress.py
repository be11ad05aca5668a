import io
from pathlib import Path

import pytest
from rich.console import Console

from shop_importer.progress import progress_of


def shown(size: int, pieces: int, path: Path, *, terminal: bool = False) -> str:
    out = io.StringIO()
    with path.open("wb") as file:
        file.truncate(size)
    with progress_of(path, Console(file=out, force_terminal=terminal, width=100)) as sent:
        for _ in range(pieces):
            sent(size // pieces)
    return out.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalogue.csv"


def test_a_small_file_takes_one_line(path: Path) -> None:
    assert shown(6510, 3, path) == "Importing catalogue.csv, 6.5 kB\n"


def test_an_empty_file_takes_one_line(path: Path) -> None:
    assert shown(0, 1, path) == "Importing catalogue.csv, 0 bytes\n"


def test_a_large_file_takes_a_line_for_each_tenth(path: Path) -> None:
    lines = shown(20_000_000, 1000, path).splitlines()

    assert lines == ["Importing catalogue.csv, 20.0 MB", *(f"{tenth}0 % sent" for tenth in range(1, 11))]


def test_on_a_terminal_there_is_a_bar(path: Path) -> None:
    page = shown(20_000_000, 10, path, terminal=True)

    assert "catalogue.csv" in page
    assert "20.0/20.0 MB" in page
