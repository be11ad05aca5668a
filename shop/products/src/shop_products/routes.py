"""HTTP in: who may ask what, and which use case answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from atoll.endpoints import Admin, CallingService, Header, Media, NotModified, Query, Reply, Request, Route, each
from atoll.idempotency import Asked, IdempotencyKey, KeyUsedDifferently, OncePerKey
from atoll.problems import ProblemDetails
from atoll.storage import Database
from shop_contracts.imports import ImportReport
from shop_contracts.products import (
    NewProduct,
    NewProducts,
    NewReservation,
    NewReservations,
    Product,
    ProductChanges,
    ProductPage,
    Reservation,
    ReservationOutcome,
    StockChange,
)
from shop_products.domain import (
    InsufficientStock,
    ItemsDiffer,
    ProductNotFound,
    ReservationNotFound,
    ReservationReleased,
    StockOutOfBounds,
    VersionChanged,
)
from shop_products.etags import etag, wanted_versions
from shop_products.importing.columns import HeaderInvalid
from shop_products.listing import ProductFilter, list_products
from shop_products.store import reservations
from shop_products.use_cases.add_products import AddProducts
from shop_products.use_cases.change_product import ChangeProduct
from shop_products.use_cases.change_stock import ChangeStock
from shop_products.use_cases.hide_product import HideProduct
from shop_products.use_cases.import_catalogue import ImportCatalogue
from shop_products.use_cases.read_product import ReadProduct
from shop_products.use_cases.release_order import ReleaseOrder
from shop_products.use_cases.reserve import Reserve

MAX_IMPORT = 1024**4
"""Bytes: more than anyone has. An import is streamed, so that its size costs nothing but time."""

IfMatch = Annotated[str | None, Header("If-Match")]
IfNoneMatch = Annotated[str | None, Header("If-None-Match")]
Table = Annotated[Request, Media(("text/csv", "application/csv"), charsets=("utf-8", "utf8", "utf-16"))]


@dataclass(frozen=True)
class Routes:
    database: Database
    once_per_key: OncePerKey
    add_products: AddProducts
    import_catalogue: ImportCatalogue
    read_product: ReadProduct
    change_product: ChangeProduct
    hide_product: HideProduct
    change_stock: ChangeStock
    reserve: Reserve
    release_order: ReleaseOrder

    def table(self) -> Sequence[Route]:
        """Everything this service answers."""
        refused = (ProductNotFound, InsufficientStock, ItemsDiffer, ReservationReleased)
        guarded = (ProductNotFound, VersionChanged)
        bounded = (ProductNotFound, StockOutOfBounds, KeyUsedDifferently)
        return (
            Route("GET", "/products", self.get_products),
            Route("POST", "/products", self.post_products, status=201, problems=[KeyUsedDifferently]),
            Route("POST", "/products/import", self.post_import, problems=[HeaderInvalid], body_limit=MAX_IMPORT),
            Route("GET", "/products/{product_id}", self.get_product, problems=[ProductNotFound]),
            Route("PATCH", "/products/{product_id}", self.patch_product, problems=guarded),
            Route("DELETE", "/products/{product_id}", self.delete_product, problems=guarded),
            Route("PATCH", "/products/{product_id}/stock", self.patch_stock, problems=bounded),
            Route("POST", "/reservations", self.post_reservation, status=201, problems=refused),
            Route("PUT", "/reservations", self.put_reservations),
            Route("GET", "/reservations/{order_id}", self.get_reservation, problems=[ReservationNotFound]),
            Route("DELETE", "/reservations/{order_id}", self.delete_reservation),
        )  # fmt: skip

    async def get_products(self, wanted: Annotated[ProductFilter, Query()]) -> ProductPage:
        """The catalogue, page by page."""
        return await list_products(self.database, wanted)

    async def post_products(
        self, body: NewProduct | NewProducts, admin: Admin, key: IdempotencyKey = None
    ) -> Reply[Product | list[Product]]:
        """Add a product, or all of an array of them."""
        new, answered = (body, _created_all) if isinstance(body, list) else ([body], _created)
        asked = Asked("POST /products", admin, key, body)
        return await self.once_per_key(asked, lambda once: self.add_products(new, once=once), answered)

    async def post_import(self, table: Table, _admin: Admin) -> ImportReport:
        """Take over the products of a CSV file with the columns of a Shopify product export.

        It is read as it comes, whatever its size. A row that cannot be taken stops none of the others; the report
        says what became of the rows.
        """
        return await self.import_catalogue(table.stream())

    async def get_product(self, product_id: str, if_none_match: IfNoneMatch = None) -> Reply[Product] | NotModified:
        """One product.

        304 says that nothing of it has changed, its stock included, although the `ETag` does not move with stock.
        """
        product, has_copy = await self.read_product(product_id, if_none_match)
        return NotModified({"ETag": etag(product)}) if has_copy else _tagged(product)

    async def patch_product(
        self, product_id: str, changes: ProductChanges, _admin: Admin, if_match: IfMatch = None
    ) -> Reply[Product]:
        """Change what the catalogue says of a product."""
        versions = wanted_versions(if_match)
        return _tagged(await self.change_product(product_id, changes, only_at=versions))

    async def delete_product(self, product_id: str, _admin: Admin, if_match: IfMatch = None) -> None:
        """Take a product out of the catalogue; orders that have it go on."""
        await self.hide_product(product_id, only_at=wanted_versions(if_match))

    async def patch_stock(
        self, product_id: str, change: StockChange, admin: Admin, key: IdempotencyKey = None
    ) -> Reply[Product]:
        """Add to the stock of a product, or take from it, in one step."""
        asked = Asked("PATCH /products/{product_id}/stock", admin, key, (product_id, change))
        return await self.once_per_key(
            asked, lambda once: self.change_stock(product_id, change.quantity, once=once), _tagged
        )

    async def post_reservation(self, wanted: NewReservation, _caller: CallingService) -> Reservation:
        """Hold all the lines of an order, or none."""
        return await self.reserve(wanted)

    async def put_reservations(self, wanted: NewReservations, _caller: CallingService) -> list[ReservationOutcome]:
        """Hold the lines of several orders, each by itself as `POST` does it."""
        held = await self.reserve.all(wanted) if len(wanted) > 1 else None
        if held is not None:
            return [ReservationOutcome(reservation=reservation) for reservation in held]
        outcomes = await each(map(self.reserve, wanted), method="PUT", route="/reservations")
        return [_outcome(outcome) for outcome in outcomes]

    async def get_reservation(self, order_id: str, _caller: CallingService) -> Reservation:
        """What became of an order's hold."""
        reservation = await self.database.read(lambda reading: reservations.find(reading, order_id))
        if reservation is None:
            raise ReservationNotFound(order_id)
        return reservation

    async def delete_reservation(self, order_id: str, _caller: CallingService) -> None:
        """Give the stock of a cancelled order back, once and for good."""
        await self.release_order(order_id)


def _created(products: Sequence[Product]) -> Reply[Product | list[Product]]:
    (product,) = products
    seen_from_here = f"products/{product.id}"  # from /products, and from the door's /api/products
    return Reply(product, headers={"ETag": etag(product), "Location": seen_from_here})


def _created_all(products: list[Product]) -> Reply[Product | list[Product]]:
    return Reply(products)


def _tagged(product: Product) -> Reply[Product]:
    return Reply(product, headers={"ETag": etag(product)})


def _outcome(outcome: Reservation | ProblemDetails) -> ReservationOutcome:
    if isinstance(outcome, ProblemDetails):
        return ReservationOutcome(problem=outcome)
    return ReservationOutcome(reservation=outcome)
