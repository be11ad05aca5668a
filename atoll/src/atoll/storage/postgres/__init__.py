"""PostgreSQL behind the `Database` port, by asyncpg.

Connections for transactions, others that cannot write for short reads, and one of its own for each stream:

    database.py    PostgresDatabase: the port, joined from the parts below      ← start here
    read_only.py   ReadOnlyPostgres: its half that only looks
    writing.py     transactions, each on a connection of its own
    reading.py     short reads
    streaming.py   long reads
    migrating.py   the schema
    bodies.py      drives a body's coroutine, and what it may use meanwhile
    asking.py      statements within the time that there is
    repeating.py   trying again what was interrupted
    pool.py        connections, handed out and opened anew
    connection.py  one connection and its prepared statements
    limits.py      how long anything may take
    in_hand.py     what leaving waits for
    address.py     what a URL may say
    errors.py      PostgreSQL's errors → the port's
"""

from atoll.storage.postgres.address import Address, libpq_url, parse_address
from atoll.storage.postgres.database import PostgresDatabase
from atoll.storage.postgres.read_only import ReadOnlyPostgres

__all__ = ["Address", "PostgresDatabase", "ReadOnlyPostgres", "libpq_url", "parse_address"]
