"""People in a running shop: what tests that cross services do through the public door."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from atoll.testing.system import SystemUnderTest, running_system

SYSTEM_FILE = Path(__file__).parents[1] / "shop" / "atoll.toml"
PASSWORD = "a long pass phrase"
QUIET_WITHIN = 30.0


@dataclass
class Person:
    """Someone at the public door; nobody in particular until they have a token."""

    http: httpx2.AsyncClient
    token: str = ""
    id: str = ""

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """One request as it is, and whatever is answered."""
        all_headers = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})}
        return await self.http.request(method, path, json=body, headers=all_headers)

    async def ask(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """The JSON of an answer that must have this status."""
        answer = await self.call(method, path, body)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def order(self, *product_ids: str, quantity: int = 1, key: str = "") -> httpx2.Response:
        """Place an order for so many of each."""
        items = [{"productId": product_id, "quantity": quantity} for product_id in product_ids]
        headers = {"Idempotency-Key": key} if key else {}
        return await self.call("POST", "/api/orders", {"items": items}, headers=headers)

    async def stock_of(self, product_id: str) -> int:
        return int((await self.ask("GET", f"/api/products/{product_id}"))["stock"])


@dataclass
class Shop:
    """A running system of its own, and the people in it."""

    system: SystemUnderTest
    http: httpx2.AsyncClient
    admin: Person = field(init=False)

    @property
    def visitor(self) -> Person:
        return Person(self.http)

    async def customer(self) -> Person:
        """Someone new, registered and signed in."""
        email = f"{secrets.token_hex(8)}@example.com"
        user = await self.visitor.ask(
            "POST", "/api/users", {"name": "Kim", "email": email, "password": PASSWORD}, expect=201
        )
        return await self._signed_in(email, user["id"])

    async def product(self, *, stock: int, price: float = 10.0, name: str = "Thing") -> str:
        """The id of something new to buy."""
        new = {"name": name, "price": price, "category": "things", "stock": stock}
        return str((await self.admin.ask("POST", "/api/products", new, expect=201))["id"])

    async def until_settled(self, person: Person, order_ids: list[str]) -> list[str]:
        """The states of the orders, once none is pending any more."""
        async with asyncio.timeout(QUIET_WITHIN):
            while True:
                orders = [await person.ask("GET", f"/api/orders/{order_id}") for order_id in order_ids]
                states = [order["status"] for order in orders]
                if "pending" not in states:
                    return states
                await asyncio.sleep(0.05)  # the door tells no news yet: look again

    async def hire_admin(self) -> None:
        """Make the first administrator on the command line, as the README says."""
        email = "boss@example.com"
        command = [sys.executable, "-m", "atoll.cli", "admin", "--data", str(self.system.data)]
        process = await asyncio.create_subprocess_exec(
            *command,
            "create",
            *("--email", email, "--password", PASSWORD),
            env=dict(os.environ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0, printed.decode()
        self.admin = await self._signed_in(email, "")

    async def _signed_in(self, email: str, user_id: str) -> Person:
        tokens = await self.visitor.ask("POST", "/api/auth/login", {"email": email, "password": PASSWORD})
        return Person(self.http, tokens["accessToken"], user_id)


@asynccontextmanager
async def open_shop(data: Path, *, options: Sequence[str] = ()) -> AsyncIterator[Shop]:
    """The shop as `atoll up` runs it, with these `options`, on free ports, with an administrator."""
    async with running_system(SYSTEM_FILE, data, options=options) as system:
        limits = httpx2.Limits(max_connections=400, max_keepalive_connections=100)
        async with httpx2.AsyncClient(base_url=system.url("gateway"), timeout=30, limits=limits) as http:
            shop = Shop(system, http)
            await shop.hire_admin()
            yield shop
