"""Who can have a second instance for a moment; that one really stands in is shown under load (tests/faults)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from atoll.runner.data_folder import DataFolder
from atoll.runner.running_system import RunningService, RunningSystem
from atoll.runner.standing_in import NobodyToStandIn, standing_in

_SOME_DAY = datetime(2030, 1, 1, tzinfo=UTC)

FILE = """
[services.registry]
module = "atoll.registry"
port = 3010
[services.gateway]
module = "atoll.gateway"
port = 3000
[services.foreign]
command = ["sleep", "1"]
port = 3001
health = "http://127.0.0.1:{port}/"
[services.broken]
module = "json.tool"
port = 3002
"""


def running(file: Path, *services: str) -> RunningSystem:
    started = {
        name: RunningService(state="up", pid=1, ports={"port": 1}, url="", operations_url="", restarts=0, up_since=None)
        for name in services
    }
    return RunningSystem(name="x", file=str(file), runner_pid=1, started_at=_SOME_DAY, services=started)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "atoll.toml"
    file.write_text(FILE)
    return file


@pytest.mark.parametrize(
    ("service", "services", "words"),
    [
        ("gateway", ("registry", "gateway"), "whoever connects meanwhile waits at its door"),
        ("registry", ("registry",), "here can be only one registry"),
        ("valkey", ("registry", "valkey"), "it keeps data that one process alone may touch"),
        ("foreign", ("registry", "foreign"), "found at one address"),
        ("broken", ("broken",), "not through the registry"),
        ("broken", ("registry", "broken"), "broken-2 exited with code"),
    ],
)
async def test_nobody_stands_in_for_what_cannot_be_twice(
    service: str, services: tuple[str, ...], words: str, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(NobodyToStandIn, match=words):
        async with standing_in(DataFolder(tmp_path / "data"), running(file, *services), service):
            pass
