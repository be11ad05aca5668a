"""What those who run the system can do beside the running service, in its own database."""

import asyncio
import sys

import click

from atoll.clock import SystemClock
from atoll.events import Outbox
from atoll.ids import uuid7
from atoll.lifecycle import migrate as migrate_alone
from atoll.problems import Problem
from atoll.settings import SettingsInvalid, load_settings
from atoll.storage import DatabaseError, open_database
from shop_contracts.users import EmailAddress, User
from shop_users.app import migrated
from shop_users.key_commands import keys
from shop_users.passwords import LENGTHS, Passwords
from shop_users.settings import UsersSettings
from shop_users.use_cases.make_admin import NAME, MakeAdmin

NAME_LENGTHS = range(1, 201)
"""Characters, as `shop_contracts.users.Name` has them."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """The users service. Without a command it is started."""


commands.add_command(keys)


@commands.command()
def migrate() -> None:
    """Bring the database to the schema that this code expects, and end."""
    migrate_alone("users", UsersSettings, "shop_users")


@commands.group()
def admin() -> None:
    """Administrators."""


class _Address(click.ParamType[EmailAddress]):
    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> EmailAddress:
        try:
            return EmailAddress(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class _Name(click.ParamType[str]):
    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if len(value) not in NAME_LENGTHS:
            self.fail(f"A name has from 1 to {NAME_LENGTHS[-1]} characters.", param, ctx)
        return value


@admin.command()
@click.option("--email", prompt="E-mail address", type=_Address(), help="The address to sign in with.")
@click.option("--password", envvar="ATOLL_ADMIN_PASSWORD", help="From 8 to 128 characters; asked for when left out.")
@click.option("--name", default=NAME, type=_Name(), show_default=True)
def create(email: EmailAddress, password: str | None, name: str) -> None:
    """Make an administrator, or make one of an account that is there already, with a new password."""
    password = password or _ask_for_password()
    if len(password) not in LENGTHS:
        raise click.BadParameter("A password has from 8 to 128 characters.", param_hint="--password")
    if not _is_text(password):
        raise click.BadParameter("A password is a text in UTF-8.", param_hint="--password")
    try:
        user = asyncio.run(_create(email, password, name))
    except (Problem, DatabaseError, SettingsInvalid, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{user.email} is an administrator now. Sign in with POST /auth/login.")


def _is_text(password: str) -> bool:
    """Bytes that are no UTF-8 come in as halves of surrogate pairs."""
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ask_for_password() -> str:
    """Typed twice on a terminal, else the first line of the input."""
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return password
    return sys.stdin.readline().rstrip("\r\n")


async def _create(email: EmailAddress, password: str, name: str) -> User:
    settings = load_settings(UsersSettings, "users")
    clock = SystemClock()
    async with migrated(open_database(settings.database_url)) as database, Passwords(threads=1) as passwords:
        outbox = Outbox("users", clock=clock)  # a running service sends what is left in it
        return await MakeAdmin(database, outbox, passwords, clock, uuid7(clock))(email, password, name)
