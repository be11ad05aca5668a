import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atoll.testing.system import SystemUnderTest


def told(*arguments: str) -> dict[str, Any]:
    """Run a command of the system that tells what it was given."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "atoll.cli", *arguments], capture_output=True, text=True, check=False
    )

    assert done.returncode == 7, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_arguments_are_passed_on_as_they_are(folder: Path) -> None:
    assert told("tell", "create", "--email", "a@b.c", "--data", "x")["arguments"] == [
        "first",
        "create",
        "--email",
        "a@b.c",
        "--data",
        "x",
    ]


def test_our_own_options_come_first(folder: Path) -> None:
    given = told("tell", "--data", "elsewhere", "--help")

    assert given["ATOLL_DATA"] == f"{folder}/elsewhere"
    assert given["arguments"] == ["first", "--help"]


def test_without_a_running_system_the_addresses_are_those_of_the_file(folder: Path) -> None:
    assert told("tell")["USERS_URL"] == "http://127.0.0.1:3001"


def test_a_command_of_a_service_works_on_its_data(folder: Path) -> None:
    given = told("work")

    assert given["DATABASE_URL"] == f"sqlite:///{folder}/data/users.db"
    assert given["PASSWORD"] == (folder / "data/secrets/password").read_text()
    assert given["MOOD"] == "good"
    assert given["PORT"] is None


@pytest.mark.system
async def test_with_a_running_system_the_addresses_are_the_real_ones(small: SystemUnderTest) -> None:
    assert told("look")["USERS_URL"] == small.url("users")
    assert told("look")["STORE_URL"] == small.url("store")


def test_a_command_that_needs_a_running_system_says_so(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "atoll.cli", "look"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "`atoll look` needs a running system; start it with `atoll up`." in done.stderr


def test_how_a_command_is_used_is_told_without_a_running_system(folder: Path) -> None:
    assert told("look", "--help")["arguments"] == ["--help"]
