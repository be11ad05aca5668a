"""How much may be asked of the door: the limits of the settings, checked and ready to be counted by."""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from atoll.gateway.settings import DEFAULT_LIMIT, GatewaySettings, LimitSettings, RouteSettings
from atoll.limits.policy import LimitPolicy
from atoll.limits.rates import policy_of

BUILT_IN = {DEFAULT_LIMIT: LimitSettings(address="100 per 15 min", user="1000 per 15 min")}
"""What holds where the settings name no default."""


class Limit(NamedTuple):
    """What one client address may ask for, and what one signed-in user may, where that makes a difference."""

    address: LimitPolicy
    user: LimitPolicy | None


class LimitsInvalid(ValueError):
    """The limits cannot be used; `mistakes` are sentences."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__(" ".join(mistakes))
        self.mistakes = tuple(mistakes)


def limits_in(settings: GatewaySettings) -> dict[str, Limit]:
    """The limits that hold, by name. Raises `LimitsInvalid` with every mistake, those of other environments too."""
    mistakes: list[str] = []
    always = _read("gateway.limits", BUILT_IN | settings.limits, mistakes)
    in_development = _read("gateway.development_limits", settings.development_limits, mistakes)
    mistakes += _wrong_names(settings)
    mistakes += _wrong_costs(settings.routes, [always, always | in_development])
    if mistakes:
        raise LimitsInvalid(mistakes)
    return always | in_development if settings.environment == "development" else always


def _read(table: str, given: Mapping[str, LimitSettings], mistakes: list[str]) -> dict[str, Limit]:
    limits = {}
    for name, each in given.items():
        try:
            limits[name] = _limit(name, each)
        except ValueError as error:
            mistakes.append(f"[{table}] {name}: {error}")
    return limits


def _wrong_names(settings: GatewaySettings) -> Iterator[str]:
    known = BUILT_IN | settings.limits
    for name in settings.development_limits:
        if name not in known:
            yield f"[gateway.development_limits] {name} is not in [gateway.limits].{_did_you_mean(name, known)}"
    for number, route in enumerate(settings.routes, 1):
        if route.limit not in known:
            yield (
                f"Route {number} ({route.path}) has the limit {route.limit!r}, which is not in [gateway.limits]."
                f"{_did_you_mean(route.limit, known)}"
            )


def _wrong_costs(routes: Sequence[RouteSettings], environments: Sequence[Mapping[str, Limit]]) -> Iterator[str]:
    for number, route in enumerate(routes, 1):
        found = [each[route.limit] for each in environments if route.limit in each]
        quota = min((limit.address.quota for limit in found), default=math.inf)
        if route.cost < 0:
            yield f"Route {number} ({route.path}) has a negative cost."
        elif route.cost > quota:
            yield f"Route {number} ({route.path}) costs {route.cost}, more than its limit of {quota} ever lets pass."


def _did_you_mean(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else f" There is {', '.join(known)}."


def _limit(name: str, given: LimitSettings) -> Limit:
    return Limit(
        policy_of(name, given.address),
        None if given.user is None else policy_of(f"{name}-user", given.user),
    )
