"""What the products service can be told."""

import os
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from atoll.events import EventSettings
from atoll.settings import Port, Setting, service_address


def readable_file(path: Path) -> None:
    """ValueError for what cannot be read as a file."""
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValueError("there is no such file to read")


class ProductsSettings(EventSettings, frozen=True, kw_only=True):
    port: Annotated[Port, Setting("The port to listen on; 0 takes any free one.")] = 3002
    database_url: Annotated[str, Setting("Where products, stock and reservations are kept.")] = (
        "sqlite:///data/products.db"
    )
    users_url: Annotated[
        str | None,
        Setting("Where users is, over the registry.", aliases=("USER_SERVICE_URL",), check=service_address),
    ] = None
    orders_url: Annotated[
        str | None,
        Setting("Where orders is, over the registry.", aliases=("ORDER_SERVICE_URL",), check=service_address),
    ] = None
    sample_catalogue: Annotated[
        Path | None,
        Setting("A CSV file that a catalogue without any product begins with; not in production.", check=readable_file),
    ] = None
    hold_seconds: Annotated[
        int, Meta(ge=10, le=86_400), Setting("How long an order may take from its reservation to its commit.")
    ] = 600
    sweep_seconds: Annotated[
        float, Meta(gt=0, le=3600), Setting("The pause between two looks for holds that ran out.")
    ] = 15.0
