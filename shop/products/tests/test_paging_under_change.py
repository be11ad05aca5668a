"""Pages stay right while products come and go between them: nobody who stays is missed, and nobody comes twice."""

import asyncio
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.events import Outbox
from atoll.ids import uuid7
from atoll.storage import Database, load_migrations, open_database
from atoll.testing.clock import ManualClock
from shop_contracts.money import Money
from shop_contracts.products import NewProduct
from shop_products.listing import ProductFilter, Sort, list_products
from shop_products.use_cases.add_products import AddProducts
from shop_products.use_cases.hide_product import HideProduct

sorts = st.sampled_from(["createdAt", "-createdAt", "name", "-name", "price", "-price"])
changes = st.lists(st.one_of(st.just("add"), st.integers(0, 11)), max_size=3)


class Shelves:
    """A catalogue whose products are added and hidden by number."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        outbox = Outbox("products", clock=clock)
        self.add_now = AddProducts(database, outbox, clock, uuid7(clock))
        self.hide_now = HideProduct(database, outbox, clock)
        self.ids: list[str] = []
        self.hidden: set[str] = set()

    async def add(self) -> None:
        number = len(self.ids)
        new = NewProduct(name=f"P{number * 7 % 5}", price=Money(100 * (number * 3 % 4)), category="c")
        self.ids += [product.id for product in await self.add_now([new])]
        await self.clock.advance(number % 2)

    async def change(self, change: str | int) -> None:
        if isinstance(change, str):
            await self.add()
        elif change < len(self.ids) and self.ids[change] not in self.hidden:
            await self.hide_now(self.ids[change], only_at=None)
            self.hidden.add(self.ids[change])

    async def walk(self, sort: Sort, limit: int, between: list[list[str | int]]) -> list[str]:
        """The ids of all pages, with changes made between them."""
        found, cursor, later = [], None, iter(between)
        while True:
            page = await list_products(self.database, ProductFilter(sort=sort, limit=limit, cursor=cursor))
            found += [product.id for product in page.items]
            if page.next_cursor is None:
                return found
            cursor = page.next_cursor
            for change in next(later, []):
                await self.change(change)


@given(st.integers(1, 10), sorts, st.integers(1, 4), st.lists(changes, max_size=8))
@settings(max_examples=40, deadline=None)
def test_whoever_stays_is_on_exactly_one_page_and_in_order(
    first: int, sort: Sort, limit: int, between: list[list[str | int]]
) -> None:
    asyncio.run(walk_and_compare(first, sort, limit, between))


async def walk_and_compare(first: int, sort: Sort, limit: int, between: list[list[str | int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_database(f"sqlite:///{folder}/products.db") as database:
            await database.migrate(load_migrations("shop_products"))
            shelves = Shelves(database, ManualClock())
            for _ in range(first):
                await shelves.add()

            found = await shelves.walk(sort, limit, between)
            stayed = {product_id for product_id in shelves.ids[:first] if product_id not in shelves.hidden}
            in_order = await shelves.walk(sort, 200, [])

            assert len(set(found)) == len(found)
            assert stayed <= set(found)
            assert [each for each in in_order if each in stayed] == [each for each in found if each in stayed]
