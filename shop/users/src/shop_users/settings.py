"""What the users service can be told."""

from typing import Annotated

from msgspec import Meta

from atoll.client_address import TrustedProxies
from atoll.events import EventSettings
from atoll.settings import Port, Secret, Setting, service_address
from shop_contracts.users import EmailAddress
from shop_users.domain import CommonPassword
from shop_users.passwords import LENGTHS, refuse_common


def fit_to_sign_in_with(password: Secret) -> None:
    """ValueError for a password that nobody could register with."""
    if len(password.reveal()) not in LENGTHS:
        raise ValueError("give from 8 to 128 characters")
    try:
        refuse_common(password.reveal())
    except CommonPassword as error:
        raise ValueError("it is one of the first that anybody would try; choose another") from error


class UsersSettings(EventSettings, frozen=True, kw_only=True):
    port: Annotated[Port, Setting("The port to listen on; 0 takes any free one.")] = 3001
    database_url: Annotated[str, Setting("Where accounts and token keys are kept.")] = "sqlite:///data/users.db"
    admin_email: Annotated[str, Setting("The address of the first administrator.", check=EmailAddress)] = (
        "admin@shop.example"
    )
    admin_password: Annotated[
        Secret | None,
        Setting(
            "The first administrator's password; with it, the account is made at the start if it is missing.",
            check=fit_to_sign_in_with,
        ),
    ] = None
    gateway_networks: Annotated[
        tuple[str, ...],
        Setting(
            "Networks in which the gateway is: from there alone X-Forwarded-For is believed.", check=TrustedProxies
        ),
    ] = ("127.0.0.0/8", "::1/128")
    orders_url: Annotated[
        str | None,
        Setting("Where orders is, over the registry.", aliases=("ORDER_SERVICE_URL",), check=service_address),
    ] = None
    token_key_days: Annotated[
        float, Meta(ge=1, le=3650), Setting("How many days a key signs access tokens before the next one does.")
    ] = 30.0
