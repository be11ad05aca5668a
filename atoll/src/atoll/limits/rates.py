"""Limits as people write them: `100 per 15 min`."""

import re

from atoll.limits.policy import LimitPolicy

_RATE = re.compile(r"(?P<quota>\d[\d_]*) per (?:(?P<count>\d+) ?)?(?P<unit>[a-z]+)")
_UNITS = {"s": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "day": 86_400}
_NAMES = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}


def policy_of(name: str, rate: str) -> LimitPolicy:
    """The policy that `rate` describes, such as `100 per 15 min`, `5 per s`, `1_000 per hour`.

    ValueError says what is wrong with the name or the rate.
    """
    match = _RATE.fullmatch(rate.strip())
    seconds = _UNITS.get(match["unit"].removesuffix("s") or "s") if match else None
    if match is None or seconds is None:
        raise ValueError(f"{rate!r} is no rate; write one such as `100 per 15 min`, with s, min, h or day.")
    return LimitPolicy(name, int(match["quota"]), float(int(match["count"] or 1) * seconds))


def in_words(policy: LimitPolicy) -> str:
    """`100 requests in 15 minutes`."""
    size = next((seconds for seconds in (86_400, 3600, 60) if policy.window % seconds == 0), 1)
    return f"{_counted(policy.quota, 'request')} in {_counted(policy.window / size, _NAMES[size])}"


def _counted(number: float, thing: str) -> str:
    return f"{number:g} {thing}" if number == 1 else f"{number:,.15g} {thing}s"
