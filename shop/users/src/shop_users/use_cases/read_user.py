"""Show an account to its owner or an administrator, with the latest orders if they are asked for."""

from dataclasses import dataclass

import msgspec

from atoll.calls import CallError
from atoll.identity.principal import Principal
from atoll.observability.logging import get_logger
from atoll.storage import Database
from shop_contracts.users import User, UserWithOrders
from shop_users.domain import UserNotFound, refuse_strangers
from shop_users.last_known import LastKnown
from shop_users.ports import Orders
from shop_users.store import accounts

log = get_logger()


@dataclass(frozen=True)
class ReadUser:
    database: Database
    orders: Orders
    last_known: LastKnown

    async def __call__(self, user_id: str, caller: Principal, *, with_orders: bool) -> UserWithOrders:
        """The user, even when orders cannot be asked: then the answer says so. Raises `UserNotFound`."""
        refuse_strangers(caller, user_id)
        user = await self.database.read(lambda reading: accounts.find(reading, user_id))
        if user is None:
            raise UserNotFound(user_id)
        if not with_orders:
            return UserWithOrders(**msgspec.structs.asdict(user))
        return await self._with_orders(user)

    async def _with_orders(self, user: User) -> UserWithOrders:
        fields = msgspec.structs.asdict(user)
        try:
            orders = list(await self.orders.latest(user.id))
        except CallError as error:
            log.warning("user answered without asking orders", reason=str(error))
            return UserWithOrders(**fields, orders=self.last_known.of(user.id), degraded=("orders",))
        self.last_known.keep(user.id, orders)
        return UserWithOrders(**fields, orders=orders)
