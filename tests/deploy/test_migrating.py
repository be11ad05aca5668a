"""`python -m shop_orders migrate`: what a rollout runs first."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SERVICES = ("users", "products", "orders")

pytestmark = pytest.mark.system


@pytest.mark.parametrize("service", SERVICES)
def test_brings_the_database_to_the_schema_and_ends(service: str, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'of.db'}"

    code, line = migrated(service, DATABASE_URL=database)

    assert (0, "migrated") == (code, line["event"])
    assert line["applied"][0].startswith("0001_")


def test_a_second_time_there_is_nothing_to_do(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'of.db'}"
    migrated("orders", DATABASE_URL=database)

    code, line = migrated("orders", DATABASE_URL=database)

    assert (0, []) == (code, line["applied"])


def test_a_database_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    code, line = migrated("orders", DATABASE_URL=f"sqlite:///{tmp_path}")

    assert (1, "cannot migrate") == (code, line["event"])
    assert str(tmp_path) in line["reason"]


def test_settings_that_cannot_be_used_end_with_code_2() -> None:
    ended = run("orders", PORT="many")

    assert 2 == ended.returncode
    assert "PORT in the environment is 'many'" in ended.stderr


def migrated(service: str, **environ: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the line in which it says what was done."""
    ended = run(service, **environ)
    lines = (ended.stdout + ended.stderr).splitlines()
    return ended.returncode, json.loads(lines[-1])


def run(service: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"shop_{service}", "migrate"],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
