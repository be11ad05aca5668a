"""Restarting from outside: what happens meanwhile, by itself."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from atoll.runner import restarting
from atoll.runner.data_folder import DataFolder
from atoll.runner.restarting import CannotRestart, restart
from atoll.runner.running_system import RunningService, RunningSystem


@pytest.fixture
def died_just_now() -> int:
    """The number of a process that was there a moment ago."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


async def test_one_that_has_died_by_itself_is_waited_for_all_the_same(
    data: DataFolder, died_just_now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarting, "PATIENCE", 0.1)
    orders = RunningService("up", died_just_now, {"port": 1}, "http://127.0.0.1:1", "http://127.0.0.1:1", 0, None)
    said: list[str] = []
    with data.locked():
        data.note(RunningSystem("shop", "/nowhere", 1, datetime(2030, 1, 1, tzinfo=UTC), {"orders": orders}))
        with pytest.raises(CannotRestart, match=r"orders was not ready again after 0\.1 s; see its logs"):
            await restart(DataFolder(data.path), ["orders"], said.append)

    assert said[-1].startswith(f"orders (process {died_just_now}) stops")
