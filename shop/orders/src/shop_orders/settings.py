"""What the orders service can be told."""

from typing import Annotated

from msgspec import Meta

from atoll.settings import Port, ServiceSettings, Setting, http_url


class OrdersSettings(ServiceSettings, frozen=True, kw_only=True):
    port: Annotated[Port, Setting("The port to listen on; 0 takes any free one.")] = 3003
    database_url: Annotated[str, Setting("Where orders are kept.")] = "sqlite:///data/orders.db"
    users_url: Annotated[
        str | None,
        Setting("A fixed address of users, over the registry.", aliases=("USER_SERVICE_URL",), check=http_url),
    ] = None
    products_url: Annotated[
        str | None,
        Setting("A fixed address of products, over the registry.", aliases=("PRODUCT_SERVICE_URL",), check=http_url),
    ] = None
    currency: Annotated[
        str, Meta(pattern="^[A-Z]{3}$"), Setting("The currency of all prices, by its ISO 4217 code.")
    ] = "EUR"
