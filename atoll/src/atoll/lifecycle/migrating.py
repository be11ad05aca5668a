"""Bringing a service's database to the schema that its code expects, without running the service.

    if sys.argv[1:] == ["migrate"]:
        migrate("orders", OrdersSettings, "shop_orders")

A service does the same at each of its starts; alone it is a step of a rollout, which fails before anything is replaced.
"""

import asyncio
import sys
from typing import NoReturn, Protocol, cast

from atoll.lifecycle.process import BAD_SETTINGS, FAILED
from atoll.observability.logging import configure_logging, get_logger
from atoll.settings import ServiceSettings, SettingsInvalid, load_settings

log = get_logger()


class DatabaseSettings(Protocol):
    """The settings of a service that keeps something."""

    @property
    def database_url(self) -> str: ...


def migrate(service_name: str, settings_type: type[ServiceSettings], package: str) -> NoReturn:
    """Apply what is missing of the migrations in `package`, and end this process.

    The settings must have a `database_url`. Exit codes: 0 when the schema is there, 2 for settings that cannot be
    used, 1 when the database cannot be had or a migration failed.
    """
    try:
        settings = load_settings(settings_type, service_name)
    except SettingsInvalid as error:
        print(error, file=sys.stderr)  # noqa: T201 - no logs without settings
        sys.exit(BAD_SETTINGS)
    configure_logging(service_name, settings.log_format, settings.log_level)
    sys.exit(asyncio.run(_migrated(cast("DatabaseSettings", settings).database_url, package)))


async def _migrated(database_url: str, package: str) -> int:
    from atoll.storage import DatabaseError, load_migrations, open_database

    try:
        async with open_database(database_url) as database:
            applied = await database.migrate(load_migrations(package))
    except (DatabaseError, ConnectionError, ValueError) as error:
        log.error("cannot migrate", reason=str(error))  # noqa: TRY400 - the sentence says it all
        return FAILED
    log.info("migrated", applied=[str(migration) for migration in applied])
    return 0
