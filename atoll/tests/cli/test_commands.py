import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

HEAVY = ("asyncio", "rich", "starlette", "structlog", "uvicorn", "msgspec", "urllib.request")


def test_help_lists_our_commands_and_those_of_the_system(run: Run, folder: Path) -> None:
    result = run("--help")

    assert result.exit_code == 0
    assert "up       Start the system, and look after it until Ctrl-C." in result.output
    assert "tell  Tell what it was given." in result.output


def test_help_works_without_a_system(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = run("--help")

    assert result.exit_code == 0
    assert "Commands of the system" not in result.output


def test_every_command_explains_itself(run: Run) -> None:
    assert "--port-base" in run("up", "--help").output
    assert "--json" in run("status", "--help").output


def test_an_unknown_command_is_guessed(run: Run, folder: Path) -> None:
    result = run("stats")

    assert result.exit_code == 2
    assert "There is no command 'stats'. Did you mean \"status\"?" in result.output
    assert "Usage: atoll [OPTIONS] COMMAND" in result.output


def test_an_unknown_command_without_a_system_says_both(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = run("demo")

    assert result.exit_code == 2
    assert "There is no command 'demo' of atoll itself" in result.output
    assert "neither atoll.toml nor shop/atoll.toml" in result.output


def test_a_command_imports_only_what_it_needs(tmp_path: Path) -> None:
    code = "import sys; from atoll.cli.commands import atoll; print(*sys.modules)"

    imported = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()

    assert [name for name in HEAVY if name in imported] == []


@pytest.mark.parametrize("option", [["--port-base", "70000"], ["--log-format", "xml"], ["--only", "nobody"]])
def test_an_option_that_will_not_do_is_explained(run: Run, folder: Path, option: list[str]) -> None:
    result = run("up", *option)

    assert result.exit_code in {1, 2}
    assert "Error: " in result.output


def test_a_base_that_leaves_no_room_for_all_ports_is_explained(run: Run, folder: Path) -> None:
    with (folder / "atoll.toml").open("a") as file:
        file.write('[services.last]\nmodule = "service"\nport = 3010\n')
    result = run("up", "--port-base", "65530")

    assert (1, "Error: With --port-base 65530, last would have port 65539, and 65535 is the last one.\n") == (
        result.exit_code,
        result.output,
    )


@pytest.mark.parametrize("direction", ["export", "import"])
def test_an_address_of_databases_that_is_none_is_explained(run: Run, folder: Path, direction: str) -> None:
    result = run("data", direction, "there", "--database", "postgresql://nowhere/{service}?colour=red")

    assert result.exit_code == 1
    assert "Error: colour is no option of a PostgreSQL address" in result.output


def test_a_folder_that_cannot_be_made_is_explained(run: Run, folder: Path) -> None:
    (folder / "file").touch()
    result = run("data", "export", "file/there")

    assert (1, "Error: file/there cannot be made: Not a directory.\n") == (result.exit_code, result.output)
