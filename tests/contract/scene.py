"""For any route, a request that does what it asks for if its caller may: about real things, made for it."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from tests.contract.one_process import PASSWORD, OneProcessShop, Person, service_headers

from atoll.testing.eventually import eventually


class Row(NamedTuple):
    """One route of one service."""

    service: str
    method: str
    path: str


class Request(NamedTuple):
    """What is sent; the path is complete."""

    path: str
    body: Any = None
    content: bytes = b""
    media_type: str = ""


@dataclass(frozen=True)
class Scene:
    """Who is there: `owner` has the account, the order and the sign-in that requests are about."""

    shop: OneProcessShop
    admin: Person
    other: Person
    owner: Person

    def headers(self, caller: str, service: str) -> dict[str, str]:
        """How a caller says who it is."""
        people = {"other": self.other, "owner": self.owner, "admin": self.admin}
        if caller == "service":
            return service_headers("neighbour", to=service)
        return people[caller].headers if caller in people else {}

    async def with_another_owner(self) -> "Scene":
        """For requests that may end an account or a sign-in."""
        return replace(self, owner=await self.shop.person())

    async def request(self, row: Row) -> Request:
        """A request to the route, about things of the owner's own."""
        segments = [
            await self._id_for(row.service, segment.strip("{}")) if segment.startswith("{") else segment
            for segment in row.path.split("/")
        ]
        path = "/".join(segments)
        if row == ("products", "POST", "/products/import"):
            return Request(path, content=b"Handle,Title,Variant Price\nlamp,Lamp,9.99\n", media_type="text/csv")
        if row == ("registry", "GET", "/watch"):
            return Request(f"{path}?wait=0")
        return Request(path, (await self._bodies()).get(row))

    async def _id_for(self, service: str, name: str) -> str:
        makers: Mapping[tuple[str, str], Callable[[], Awaitable[str]]] = {
            ("registry", "service_id"): self._instance,
            ("products", "product_id"): self._product,
            ("products", "order_id"): self._reservation,
            ("orders", "order_id"): self._order,
        }
        if name == "user_id":
            return self.owner.id
        if name == "name":
            await self._instance()
            return "users"
        return await makers[service, name]()

    async def _bodies(self) -> Mapping[Row, Any]:
        line = {"productId": await self._product(), "quantity": 1}
        email = f"{secrets.token_hex(8)}@example.com"
        return {
            Row("registry", "POST", "/register"): self._announcement(),
            Row("users", "POST", "/users"): {"name": "Kim", "email": email, "password": PASSWORD},
            Row("users", "PATCH", "/users/{user_id}"): {"name": "Kim the Second"},
            Row("users", "POST", "/auth/login"): {"email": self.owner.email, "password": PASSWORD},
            Row("users", "POST", "/auth/refresh"): {"refreshToken": self.owner.refresh_token},
            Row("users", "POST", "/auth/logout"): {"refreshToken": self.owner.refresh_token},
            Row("products", "POST", "/products"): {"name": "Lamp", "price": 19.99, "category": "home"},
            Row("products", "PATCH", "/products/{product_id}"): {"price": 9.99},
            Row("products", "PATCH", "/products/{product_id}/stock"): {"quantity": 1},
            Row("products", "POST", "/reservations"): {"orderId": secrets.token_hex(8), "items": [line]},
            Row("products", "PUT", "/reservations"): [{"orderId": secrets.token_hex(8), "items": [line]}],
            Row("orders", "POST", "/orders"): {"items": [line]},
            Row("orders", "PATCH", "/orders/{order_id}/status"): {"status": "shipped"},
        }

    async def _product(self) -> str:
        return await self.shop.product(self.admin)

    async def _order(self) -> str:
        """The id of an order that is confirmed, so that every move is open to it."""
        order_id = await self.shop.order(self.owner, await self._product())
        await eventually(partial(self._is_confirmed, order_id))
        return order_id

    async def _is_confirmed(self, order_id: str) -> bool:
        order = await self.shop.ask("orders", "GET", f"/orders/{order_id}", headers=self.owner.headers)
        return bool(order["status"] == "confirmed")

    async def _reservation(self) -> str:
        order_id = secrets.token_hex(8)
        new = {"orderId": order_id, "items": [{"productId": await self._product(), "quantity": 1}]}
        await self.shop.ask("products", "POST", "/reservations", new, headers=service_headers("orders", to="products"))
        return order_id

    async def _instance(self) -> str:
        """The id of an instance of users that the registry lists."""
        headers = service_headers("users", to="registry")
        admission = await self.shop.ask("registry", "POST", "/register", self._announcement(), headers=headers)
        await eventually(self._is_listed)
        return str(admission["serviceId"])

    async def _is_listed(self) -> bool:
        return (await self.shop.send("registry", "GET", "/discover/users")).is_success

    def _announcement(self) -> dict[str, object]:
        return {"name": "users", "host": "127.0.0.1", "port": int(self.shop.urls["users"].rpartition(":")[2])}
