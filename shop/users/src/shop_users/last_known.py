"""What orders said last, for when it cannot be asked."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from atoll import wire
from shop_contracts.orders import Order

MAX_BYTES = 8 * 1024 * 1024

_read: Callable[[bytes], list[Order]] = wire.decoder(list[Order]).decode


class LastKnown:
    """The latest orders of those users who were asked for last: as many as `max_bytes` of JSON hold."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._by_user: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<LastKnown: {len(self._by_user)} users, {self._bytes} bytes>"

    def keep(self, user_id: str, orders: Sequence[Order]) -> None:
        """These are the user's latest orders now."""
        self.forget(user_id)
        written = wire.encode(orders)
        self._by_user[user_id] = written
        self._bytes += len(written)
        while self._bytes > self._max_bytes:
            self.forget(next(iter(self._by_user)))

    def of(self, user_id: str) -> list[Order] | None:
        """What is known, or None."""
        written = self._by_user.get(user_id)
        return None if written is None else _read(written)

    def forget(self, user_id: str) -> None:
        """Nothing is to be known of this user."""
        self._bytes -= len(self._by_user.pop(user_id, b""))
