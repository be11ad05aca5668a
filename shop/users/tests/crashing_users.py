"""The users service, which dies at a point of the first transaction of a request: `crashing_users.py POINT`."""

import sys

from atoll.lifecycle import main
from atoll.service import Service
from atoll.storage import open_database
from atoll.testing.crashing_database import CrashingDatabase, CrashPoint
from shop_users.app import create_app
from shop_users.settings import UsersSettings


def create(settings: UsersSettings) -> Service:
    point = CrashPoint.read(sys.argv[1])
    return create_app(settings, database=CrashingDatabase(open_database(settings.database_url), point))


if __name__ == "__main__":
    main("users", create, UsersSettings)
