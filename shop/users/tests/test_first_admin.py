"""The first administrator comes from the settings or the command line, never from the API."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import msgspec
import pytest

from atoll.settings import Secret, SettingsInvalid, load_settings
from atoll.testing.clock import ManualClock
from shop_users.app import create_app
from shop_users.settings import UsersSettings

EMAIL = "root@example.com"
PASSWORD = "typed by those who run it"


def admin_create(settings: UsersSettings, *arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
    environment = {"DATABASE_URL": settings.database_url, **options}
    return subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "shop_users", "admin", "create", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        input=options.get("TYPED", ""),
        check=False,
    )


async def roles_after_sign_in(settings: UsersSettings, email: str, password: str) -> list[str] | None:
    """None when the sign-in is refused."""
    service = create_app(settings)
    async with (
        service.running(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service.app), base_url="http://users") as client,
    ):
        tokens = (await client.post("/auth/login", json={"email": email, "password": password})).json()
        if "accessToken" not in tokens:
            return None
        client.headers["Authorization"] = f"Bearer {tokens['accessToken']}"
        listed = await client.get("/users")
        items = listed.json().get("items", [])
        return next((user["roles"] for user in items if user["email"] == email), [])


async def register(settings: UsersSettings, email: str, password: str) -> None:
    service = create_app(settings)
    async with (
        service.running(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service.app), base_url="http://users") as client,
    ):
        answer = await client.post("/users", json={"name": "M", "email": email, "password": password})
        assert answer.status_code == 201


@pytest.fixture
def without_admin(settings: UsersSettings) -> UsersSettings:
    return msgspec.structs.replace(settings, admin_password=None)


async def test_the_settings_make_an_administrator_at_the_first_start(settings: UsersSettings) -> None:
    assert settings.admin_password is not None
    password = settings.admin_password.reveal()

    assert ["admin"] == await roles_after_sign_in(settings, settings.admin_email, password)
    assert ["admin"] == await roles_after_sign_in(settings, settings.admin_email, password)


async def test_the_settings_leave_an_account_that_is_there_alone(
    settings: UsersSettings, without_admin: UsersSettings
) -> None:
    await register(without_admin, settings.admin_email, "of somebody else")
    assert settings.admin_password is not None

    assert [] == await roles_after_sign_in(settings, settings.admin_email, "of somebody else")
    assert await roles_after_sign_in(settings, settings.admin_email, settings.admin_password.reveal()) is None


@pytest.mark.parametrize(
    ("password", "words"), [("short", "from 8 to 128 characters"), ("x" * 129, "from 8"), ("Password1", "another")]
)
def test_the_settings_take_no_password_that_nobody_could_register_with(password: str, words: str) -> None:
    with pytest.raises(SettingsInvalid, match=words) as refused:
        load_settings(UsersSettings, "users", {"ADMIN_PASSWORD": password})

    assert password not in str(refused.value)


async def test_the_command_makes_an_administrator(without_admin: UsersSettings) -> None:
    done = admin_create(without_admin, "--email", EMAIL, "--password", PASSWORD)

    assert (0, "") == (done.returncode, done.stderr)
    assert f"{EMAIL} is an administrator now" in done.stdout
    assert ["admin"] == await roles_after_sign_in(without_admin, EMAIL, PASSWORD)


async def test_the_command_works_beside_the_running_service(without_admin: UsersSettings, clock: ManualClock) -> None:
    service = create_app(without_admin)
    async with (
        service.running(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=service.app), base_url="http://users") as client,
    ):
        admin_create(without_admin, "--email", EMAIL, ATOLL_ADMIN_PASSWORD=PASSWORD)
        answer = await client.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})

        assert answer.status_code == 200


async def test_the_command_takes_an_account_over_with_a_new_password(without_admin: UsersSettings) -> None:
    await register(without_admin, EMAIL, "of somebody else")
    admin_create(without_admin, "--email", EMAIL.upper(), TYPED=f"{PASSWORD}\n")

    assert await roles_after_sign_in(without_admin, EMAIL, "of somebody else") is None
    assert ["admin"] == await roles_after_sign_in(without_admin, EMAIL, PASSWORD)


@pytest.mark.parametrize(
    ("email", "password", "words"),
    [
        ("nobody", PASSWORD, "Expected an e-mail address"),
        (EMAIL, "short", "from 8 to 128 characters"),
        (EMAIL, "password1", "choose another"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(without_admin: UsersSettings, email: str, password: str, words: str) -> None:
    done = admin_create(without_admin, "--email", email, "--password", password)

    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_an_administrator_has_a_name_as_everybody_has(without_admin: UsersSettings, name: str) -> None:
    done = admin_create(without_admin, "--email", EMAIL, "--password", PASSWORD, "--name", name)

    assert done.returncode == 2
    assert "A name has from 1 to 200 characters." in done.stderr


def test_a_password_that_is_no_text_is_told_in_a_sentence(without_admin: UsersSettings) -> None:
    done = admin_create(without_admin, "--email", EMAIL, "--password", "caf\udcff-longer")

    assert done.returncode == 2
    assert "A password is a text in UTF-8." in done.stderr


def test_a_database_that_cannot_be_opened_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = UsersSettings(database_url=f"sqlite:///{tmp_path}/file/users.db", admin_password=Secret(PASSWORD))
    done = admin_create(settings, "--email", EMAIL, "--password", PASSWORD)

    assert done.returncode == 1
    assert "cannot be made" in done.stderr
    assert "Traceback" not in done.stderr
