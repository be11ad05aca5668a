"""Settings that can each be read may still not fit together: routes and limits, judged before they are used."""

from collections.abc import Mapping

from atoll.gateway.limits import Limit, LimitsInvalid, limits_in
from atoll.gateway.routes import RoutesInvalid, RoutingTable
from atoll.gateway.settings import GATEWAY, GatewaySettings
from atoll.settings import Mistake, SettingsInvalid


def checked(settings: GatewaySettings) -> tuple[RoutingTable, Mapping[str, Limit]]:
    """The routes and limits of the settings. Raises `SettingsInvalid` with every mistake in them."""
    mistakes: list[Mistake] = []
    routes, limits = None, None
    try:
        routes = RoutingTable(settings)
    except RoutesInvalid as error:
        mistakes += [Mistake("[[gateway.routes]]:", each) for each in error.mistakes]
    try:
        limits = limits_in(settings)
    except LimitsInvalid as error:
        mistakes += [Mistake("Limits:", each) for each in error.mistakes]
    if routes is None or limits is None:
        raise SettingsInvalid(GATEWAY, mistakes)
    return routes, limits
