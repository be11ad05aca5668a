from collections.abc import AsyncIterator

import pytest

pytest.register_assert_rewrite("atoll.testing.database_suite")


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[object]:
    """A PostgreSQL database with the ledger of the suite in it."""
    from atoll.storage.postgres import PostgresDatabase, parse_address
    from atoll.testing.database_suite import LEDGER

    async with PostgresDatabase(parse_address(postgres_url)) as database:
        await database.migrate([LEDGER])
        yield database
