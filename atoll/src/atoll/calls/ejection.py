"""How many instances of a service may be left out because they fail."""

HALF = 2
TENTH = 10
FEW = 3


def most_ejected(instances: int) -> int:
    """At most half of few instances, a tenth of many, and never all of them: one alone stays.

    Envoy's outlier detection stops at a tenth (`max_ejection_percent`), but lets one go in any case; and it asks
    all when too many fail (panic threshold, half of them): who fails everywhere has a reason that no
    choice of instances can mend. Here up to three of fewer than thirty may go, though not more than half.
    """
    return min(instances // HALF, max(FEW, instances // TENTH))
