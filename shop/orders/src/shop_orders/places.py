"""How many streams there may be: each holds a connection for as long as it lasts."""

from collections import Counter
from collections.abc import Callable

from atoll.identity.principal import Principal
from shop_orders.domain import StreamsExhausted, TooManyStreams

MOST_OF_ONE_CALLER = 10

MOST = 256
"""Half of the connections that the gateway opens to one instance: the others are for everything else."""


class Places:
    """Given out one by one, and given back."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[str, str]] = Counter()

    def __repr__(self) -> str:
        return f"<Places: {self._taken.total()} of {MOST} taken>"

    def take(self, caller: Principal) -> Callable[[], None]:
        """Take a place, and return what gives it back; raises `TooManyStreams` or `StreamsExhausted`."""
        name = (caller.kind, caller.subject)
        if self._taken[name] >= MOST_OF_ONE_CALLER:
            raise TooManyStreams(MOST_OF_ONE_CALLER)
        if self._taken.total() >= MOST:
            raise StreamsExhausted
        self._taken[name] += 1
        return lambda: self._give_back(name)

    def _give_back(self, name: tuple[str, str]) -> None:
        self._taken[name] -= 1
        if not self._taken[name]:
            del self._taken[name]
