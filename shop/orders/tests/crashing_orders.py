"""The orders service, which dies at a point of the first transaction of a request: `crashing_orders.py POINT KEY`.

KEY is what users' tokens are signed with.
"""

import sys

from atoll.identity.keys import SigningKey
from atoll.lifecycle import main
from atoll.service import Service
from atoll.storage import open_database
from atoll.testing.callers import Callers
from atoll.testing.crashing_database import CrashingDatabase, CrashPoint
from shop_orders.app import create_app
from shop_orders.settings import OrdersSettings


def create(settings: OrdersSettings) -> Service:
    _, point, key = sys.argv
    return create_app(
        settings,
        database=CrashingDatabase(open_database(settings.database_url), CrashPoint.read(point)),
        authenticator=Callers(key=SigningKey.from_json(key)).authenticator("orders"),
    )


if __name__ == "__main__":
    main("orders", create, OrdersSettings)
