"""`keys list`, `keys rotate`, `keys withdraw`: in the service's own database, while it runs or not."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from shop_users.app import create_app
from shop_users.settings import UsersSettings


def keys(settings: UsersSettings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "shop_users", "keys", *arguments],
        env={**os.environ, "DATABASE_URL": settings.database_url},
        capture_output=True,
        text=True,
        check=False,
    )


def listed(settings: UsersSettings) -> list[tuple[str, str]]:
    """The id of each key and what it does."""
    _, *lines = keys(settings, "list").stdout.splitlines()
    return [(line[:43], line[70:]) for line in lines]


async def test_before_the_first_start_there_is_no_key(settings: UsersSettings) -> None:
    done = keys(settings, "list")

    assert done.returncode == 0
    assert "There is no key yet" in done.stdout


async def test_keys_are_shown_rotated_and_withdrawn_beside_the_running_service(settings: UsersSettings) -> None:
    service = create_app(settings)
    async with (
        service.running(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service.app), base_url="http://users") as client,
    ):

        async def published() -> set[str]:
            return {key["kid"] for key in (await client.get("/.well-known/jwks.json")).json()["keys"]}

        (first, signs), (second, ready) = listed(settings)

        assert signs.startswith("signs since 20")
        assert ready == "stands ready"
        assert {first, second} == await published()

        rotated = keys(settings, "rotate")

        assert f"{second} signs from 20" in rotated.stdout
        assert "UTC on, when everyone knows it." in rotated.stdout

        withdrawn = keys(settings, "withdraw", first[:12])

        assert f"{first} is withdrawn" in withdrawn.stdout
        assert f"Within 5 minutes its tokens are refused everywhere; {second} signs now." in withdrawn.stdout
        assert first not in await published()
        assert [second] == [kid for kid, state in listed(settings) if state.startswith("signs since")]


@pytest.mark.parametrize(("kid", "words"), [("nobody", "There is no key 'nobody'"), ("-x", "There is no key '-x'")])
async def test_a_key_that_is_not_there_is_told_in_a_sentence(settings: UsersSettings, kid: str, words: str) -> None:
    done = keys(settings, "withdraw", kid)

    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_be_opened_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = keys(UsersSettings(database_url=f"sqlite:///{tmp_path}/file/users.db"), "list")

    assert done.returncode == 1
    assert "cannot be made" in done.stderr
    assert "Traceback" not in done.stderr
