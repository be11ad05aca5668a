"""A role and a database for each service; made when they are not there, as of now otherwise."""

from collections.abc import Iterable

import asyncpg

from atoll.runner.embedded_postgres.passwords import password_of


async def provide(administrator_url: str, names: Iterable[str], secret: str) -> None:
    """Let each of `names` have a database of its own that nobody else may enter."""
    connection = await asyncpg.connect(administrator_url)
    try:
        for name in names:
            await _provide(connection, name, password_of(name, secret))
    finally:
        await connection.close()


async def _provide(connection: "asyncpg.Connection", name: str, password: str) -> None:
    role = _quoted(name)
    if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name) is None:
        await connection.execute(f"CREATE ROLE {role}")
    await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{password}'")
    if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name) is None:
        await connection.execute(f"CREATE DATABASE {role} OWNER {role}")
    await connection.execute(f"REVOKE ALL ON DATABASE {role} FROM PUBLIC")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
