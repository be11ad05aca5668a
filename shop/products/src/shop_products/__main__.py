"""`python -m shop_products`: the products service as a process of its own; with `migrate`, only its migrations."""

import sys

from atoll.lifecycle import main, migrate
from shop_products.app import create_app
from shop_products.settings import ProductsSettings

if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            main("products", create_app, ProductsSettings)
        case ["migrate"]:
            migrate("products", ProductsSettings, "shop_products")
        case _:
            sys.exit("Usage: python -m shop_products [migrate]")
