"""Looking for a program without running any of it."""

import sys
from pathlib import Path

import pytest

from atoll.runner.modules import can_be_imported, can_be_run


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages with and without an `__init__`, which raise when they are run."""
    for place in ("plain.py", "proper/__init__.py", "proper/__main__.py", "space/program.py", "space/deep/program.py"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise SystemExit('This was run.')")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("module", ["plain", "proper", "space.program", "space.deep.program"])
def test_a_program_is_found_in_packages_of_any_kind(module: str) -> None:
    assert can_be_run(module)
    assert module.partition(".")[0] not in sys.modules


@pytest.mark.parametrize("module", ["nothing", "plain.nothing", "proper.nothing", "space", "space.deep.nothing"])
def test_what_is_no_program_is_not_found(module: str) -> None:
    assert not can_be_run(module)


def test_a_package_without_a_program_can_be_imported_all_the_same() -> None:
    assert can_be_imported("space.deep")
