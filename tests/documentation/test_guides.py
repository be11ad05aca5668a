"""The commands of the guides do what is shown, against a shop that runs; and so does the code that they show."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs.generate.guide import steps
from docs.generate.pages import DOCS
from docs.generate.recording import files_in, rehearsal, write_files

pytestmark = pytest.mark.system

GUIDES = DOCS / "guides"

DIFFERS_EACH_TIME = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"), "an id"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "a time"),
    (re.compile(r"(?<=\"traceId\": \")[0-9a-f]{32}"), "a trace"),
    (re.compile(r"(?<=\"nextCursor\": \")[^\"]+"), "a cursor"),
    (re.compile(r"(?<=Token\": \")[^\"]+…"), "a token"),
)


@pytest.mark.parametrize("name", ["from-zero-to-an-order.md", "a-service.md"])
async def test_every_command_prints_what_the_guide_shows(name: str) -> None:
    guide = (GUIDES / name).read_text(encoding="utf-8")

    async with rehearsal(guide) as stage:
        for step in steps(guide):
            printed = await asyncio.to_thread(stage.run, step)
            if step.shown is not None:
                shown, now = without_what_differs(step.shown.text), without_what_differs(printed)
                assert shown == now, f"`python -m docs.generate.recording docs/guides/{name}` records it anew"


def without_what_differs(text: str) -> str:
    for pattern, name in DIFFERS_EACH_TIME:
        text = pattern.sub(name, text)
    return text.strip()


def test_the_tests_that_a_guide_shows_pass(tmp_path: Path) -> None:
    write_files(files_in((GUIDES / "a-service.md").read_text(encoding="utf-8")), tmp_path)
    settings = ["-c", str(DOCS.parent / "pyproject.toml"), f"--rootdir={tmp_path}", "-p", "no:cacheprovider"]

    tried = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *settings, str(tmp_path)],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "4 passed" in tried.stdout
