"""`python -m shop_products`: the products service as a process of its own."""

from atoll.lifecycle import main
from shop_products.app import create_app
from shop_products.settings import ProductsSettings

if __name__ == "__main__":
    main("products", create_app, ProductsSettings)
