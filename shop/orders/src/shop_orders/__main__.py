"""`python -m shop_orders`: the orders service as a process of its own; with `migrate`, only its migrations."""

import sys

from atoll.lifecycle import main, migrate
from shop_orders.app import create_app
from shop_orders.settings import OrdersSettings

if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main("orders", create_app, OrdersSettings)
        case ["migrate"]:
            migrate("orders", OrdersSettings, "shop_orders")
        case _:
            sys.exit("Usage: python -m shop_orders [migrate]")
