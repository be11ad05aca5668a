"""Import a file of products as it comes in: read in small pieces, taken over in batches, reported row by row."""

from collections.abc import AsyncIterable, Iterator, Sequence
from dataclasses import dataclass, field

from atoll.clock import Clock
from atoll.ids import NewId
from shop_contracts.imports import ImportReport
from shop_products.importing.catalogue_file import CatalogueFile
from shop_products.importing.found import Found, Mistaken, Skipped, Variant
from shop_products.importing.reporting import Reporting
from shop_products.use_cases.take_over import TakeOver

PIECE = 8 * 1024
"""Bytes that are read before others have their turn: some milliseconds."""

BATCH = 50
"""Products in one transaction; these are some milliseconds, too."""


@dataclass(frozen=True)
class ImportCatalogue:
    take_over: TakeOver
    clock: Clock
    new_id: NewId

    async def __call__(self, body: AsyncIterable[bytes]) -> ImportReport:
        """What became of the rows, whose mistakes stop nothing. Memory does not grow with the body.

        Raises `HeaderInvalid` or `UnsupportedMediaType` for what is no catalogue: then nothing is imported. With
        any other error, such as a database that is away or a client that is gone, all rows up to some point are
        imported, and the file can be sent again.
        """
        run = _Run(self.take_over, import_id=self.new_id())
        file = CatalogueFile()
        async for chunk in body:
            for piece in _pieces_of(chunk):
                await run.take(file.feed(piece))
                await self.clock.sleep(0)
        await run.take(file.end())
        return await run.finish()


@dataclass
class _Run:
    """One file on its way into the catalogue."""

    take_over: TakeOver
    import_id: str
    reporting: Reporting = field(default_factory=Reporting)
    batch: list[Variant] = field(default_factory=list)

    async def take(self, found: Sequence[Found]) -> None:
        for each in found:
            match each:
                case Variant():
                    await self._gather(each)
                case Skipped(line, handle, reason):
                    self.reporting.add(line, handle, "skipped", detail=reason)
                case Mistaken(line, handle, reason):
                    self.reporting.add(line, handle, "failed", detail=reason)

    async def finish(self) -> ImportReport:
        await self._take_over_batch()
        return self.reporting.report()

    async def _gather(self, variant: Variant) -> None:
        self.batch.append(variant)
        if len(self.batch) == BATCH:
            await self._take_over_batch()

    async def _take_over_batch(self) -> None:
        batch, self.batch = self.batch, []
        taken_over = await self.take_over(batch, self.import_id) if batch else []
        for variant, (outcome, product_id, detail) in zip(batch, taken_over, strict=True):
            self.reporting.add(variant.line, variant.handle, outcome, product_id=product_id, detail=detail)


def _pieces_of(chunk: bytes) -> Iterator[bytes]:
    for start in range(0, len(chunk), PIECE):
        yield chunk[start : start + PIECE]
