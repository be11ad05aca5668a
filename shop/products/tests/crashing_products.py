"""The products service, which dies at a point of the first transaction of a request: `crashing_products.py POINT KEY`.

KEY is what users' tokens are signed with.
"""

import sys

from atoll.identity.keys import SigningKey
from atoll.lifecycle import main
from atoll.service import Service
from atoll.storage import open_database
from atoll.testing.callers import Callers
from atoll.testing.crashing_database import CrashingDatabase, CrashPoint
from shop_products.app import create_app
from shop_products.settings import ProductsSettings


def create(settings: ProductsSettings) -> Service:
    _, point, key = sys.argv
    return create_app(
        settings,
        database=CrashingDatabase(open_database(settings.database_url), CrashPoint.read(point)),
        authenticator=Callers(key=SigningKey.from_json(key)).authenticator("products"),
    )


if __name__ == "__main__":
    main("products", create, ProductsSettings)
