"""What is allowed, and what was decided about one request."""

import math

import msgspec


class LimitPolicy(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """At most `quota` units of cost in any `window` seconds, however the window is laid.

    `name` appears in the answer's headers and in metrics: letters, digits, `-` and `_`.
    """

    name: str
    quota: int
    window: float

    def __post_init__(self) -> None:
        if not self.name.replace("-", "").replace("_", "").isalnum() or not self.name.isascii():
            raise ValueError(f"A limit's name is made of letters, digits, - and _; {self.name!r} is not.")
        if self.quota < 1 or not 0 < self.window <= 86_400:
            raise ValueError(
                f"The limit {self.name} needs a quota of at least 1 and a window of more than 0 s and at most a day."
            )


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Whether one request may pass, and what is left.

    `remaining` is the cost that would still pass now; `reset` the seconds until all of the quota is free
    again, if nothing more is asked; `retry_after` the seconds until the refused cost would pass (0 when
    allowed; infinite when it is more than the quota).
    """

    policy: LimitPolicy
    allowed: bool
    remaining: int
    reset: float
    retry_after: float = 0.0

    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers-10, and `Retry-After` (RFC 9110) on a refusal."""
        policy = self.policy
        fields = {
            "RateLimit-Policy": f'"{policy.name}";q={policy.quota};w={math.ceil(policy.window)}',
            "RateLimit": f'"{policy.name}";r={self.remaining};t={math.ceil(self.reset)}',
        }
        if not self.allowed and math.isfinite(self.retry_after):
            fields["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        return fields


def strictest(decisions: list[Decision]) -> Decision:
    """The one to tell the caller of: a refusal first (the longest wait), then the least remaining share."""
    return min(
        decisions,
        key=lambda each: (each.allowed, -each.retry_after, each.remaining / each.policy.quota),
    )
