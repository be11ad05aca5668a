"""`python -m shop_orders`: the orders service as a process of its own."""

from atoll.lifecycle import main
from shop_orders.app import create_app
from shop_orders.settings import OrdersSettings

if __name__ == "__main__":
    main("orders", create_app, OrdersSettings)
