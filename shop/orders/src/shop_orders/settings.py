"""What the orders service can be told."""

from typing import Annotated

from msgspec import Meta

from atoll.events import EventSettings
from atoll.settings import Port, Setting, service_address


class OrdersSettings(EventSettings, frozen=True, kw_only=True):
    port: Annotated[Port, Setting("The port to listen on; 0 takes any free one.")] = 3003
    database_url: Annotated[str, Setting("Where orders are kept.")] = "sqlite:///data/orders.db"
    users_url: Annotated[
        str | None,
        Setting("Where users is, over the registry.", aliases=("USER_SERVICE_URL",), check=service_address),
    ] = None
    products_url: Annotated[
        str | None,
        Setting("Where products is, over the registry.", aliases=("PRODUCT_SERVICE_URL",), check=service_address),
    ] = None
    currency: Annotated[
        str, Meta(pattern="^[A-Z]{3}$"), Setting("The currency of all prices, by its ISO 4217 code.")
    ] = "EUR"
    pending_seconds: Annotated[
        float, Meta(gt=0, le=86_400), Setting("How long an order may be pending before products is asked about it.")
    ] = 30.0
