"""Fill a catalogue that has never had a product with a sample, so that a first look shows a shop."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from atoll.observability.logging import get_logger
from atoll.storage import Database
from shop_products.store import catalogue
from shop_products.use_cases.import_catalogue import ImportCatalogue

log = get_logger()


@dataclass(frozen=True)
class BeginWithSample:
    database: Database
    import_catalogue: ImportCatalogue
    sample: Path | None
    """A file in the columns of a Shopify product export; None begins with nothing."""

    async def __call__(self) -> None:
        """Does nothing once there has been a product, also if it was taken out again."""
        if self.sample is None or await self.database.read(catalogue.has_had_products):
            return
        report = await self.import_catalogue(_bytes_of(self.sample))
        log.info("began with a sample", file=str(self.sample), products=report.created, failed=report.failed)


async def _bytes_of(file: Path) -> AsyncIterator[bytes]:
    yield await asyncio.to_thread(file.read_bytes)
