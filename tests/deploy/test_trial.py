"""`make containers` where there is nothing to run containers with."""

import subprocess
import sys
from pathlib import Path

from deploy.check import DEPLOY


def test_is_skipped_with_a_word_where_no_engine_is(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.deploy.containers"],
        cwd=DEPLOY.parent,
        env={"PATH": str(tmp_path), "CONTAINERS_FOLDER": str(tmp_path / "containers")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (0, "") == (ended.returncode, ended.stderr)
    assert ended.stdout.startswith("Containers: skipped, because no Docker engine answers and Podman is not installed")
