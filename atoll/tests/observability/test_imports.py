"""What a service does not load."""

import subprocess
import sys


def test_a_service_does_not_load_rich_and_still_can() -> None:
    program = "import sys, atoll.lifecycle, atoll.service; assert 'rich' not in sys.modules; import rich.console"

    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603 - ours

    assert (0, "") == (finished.returncode, finished.stderr)
