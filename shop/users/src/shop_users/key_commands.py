"""The keys that sign access tokens, for those who run the system: `keys list`, `keys rotate`, `keys withdraw KID`.

Works in the service's own database, whether the service runs or not; one that runs sees every change at once.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import click

from atoll.clock import SystemClock, from_millis, to_millis
from atoll.identity.jwks import REFRESH_INTERVAL
from atoll.settings import SettingsInvalid, load_settings
from atoll.storage import Database, DatabaseError, open_database
from shop_users.app import migrated
from shop_users.settings import UsersSettings
from shop_users.store import signing_keys
from shop_users.token_keys import KeyUnknown, TokenKey, outlived, signing
from shop_users.use_cases.rotate_keys import RotateKeys
from shop_users.use_cases.withdraw_key import WithdrawKey

T = TypeVar("T")

_clock = SystemClock()


@click.group()
def keys() -> None:
    """The keys that sign access tokens."""


@keys.command("list")
def list_keys() -> None:
    """Show every published key and what it does."""
    published = _in_database(_every)
    if not published:
        click.echo("There is no key yet; the users service makes the first ones when it starts.")
        return
    now = to_millis(_clock.now())
    click.echo(_row("KEY", "PUBLISHED", "STATE"))
    for key in published:
        click.echo(_row(key.kid, _moment(key.published_at), state(key, published, now)))


@keys.command()
def rotate() -> None:
    """Let the next key sign, as soon as everyone knows it."""
    key = _in_database(lambda database: RotateKeys(database, _clock)())
    if key.begins <= to_millis(_clock.now()):
        click.echo(f"{key.kid} signs from now on.")
    else:
        click.echo(f"{key.kid} signs from {_moment(key.signs_from)} on, when everyone knows it.")
    click.echo("The key before it stays published until the last token that it signed has expired.")


@keys.command(context_settings={"ignore_unknown_options": True})  # an id may begin with a hyphen
@click.argument("kids", metavar="KID...", nargs=-1, required=True)
def withdraw(kids: tuple[str, ...]) -> None:
    """Take keys away at once, because somebody else may have them; the beginning of each id is enough."""
    for kid in kids:
        click.echo(f"{_withdrawn(kid).kid} is withdrawn: it is neither published nor used any more.")
    click.echo(f"Within {REFRESH_INTERVAL // 60} minutes its tokens are refused everywhere; {_who_signs()}")


def state(key: TokenKey, published: Sequence[TokenKey], now: int) -> str:
    """What the key does at this moment, in words."""
    if key.signs_from is None:
        return "stands ready"
    if key.signs_from > now:
        return f"signs from {_moment(key.signs_from)} on"
    if key == signing(published, now):
        return f"signs since {_moment(key.signs_from)}"
    if key in outlived(published, now):
        return "has signed; about to be removed"
    return "has signed; its last tokens are still good"


def _withdrawn(kid: str) -> TokenKey:
    return _in_database(lambda database: WithdrawKey(database, _clock)(kid))


def _who_signs() -> str:
    current = signing(_in_database(_every), to_millis(_clock.now()))
    return f"{current.kid} signs now." if current else "no key signs now."


async def _every(database: Database) -> list[TokenKey]:
    return await database.read(signing_keys.every)


def _in_database(work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Do the work in the database that the settings name; a mistake ends the command with a sentence."""

    async def opened() -> T:
        settings = load_settings(UsersSettings, "users")
        async with migrated(open_database(settings.database_url)) as database:
            return await work(database)

    try:
        return asyncio.run(opened())
    except (KeyUnknown, DatabaseError, SettingsInvalid, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _row(kid: str, published: str, does: str) -> str:
    return f"{kid:44}{published:26}{does}"


def _moment(millis: int | None) -> str:
    return f"{from_millis(millis or 0):%Y-%m-%d %H:%M:%S} UTC"
