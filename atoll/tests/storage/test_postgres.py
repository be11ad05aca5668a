"""What holds for PostgreSQL beyond what holds for every database."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from atoll.storage import Database
from atoll.storage.postgres import PostgresDatabase, parse_address
from atoll.testing.database_model import database_machine
from atoll.testing.database_suite import DatabaseBackend, DatabaseSuite
from atoll.testing.postgres_server import new_database, on_server

FAIL_COMMITS = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planned'; END $$;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'atoll_migrations' LOOP
            EXECUTE format('CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON %I'
                           ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()', name);
        END LOOP;
    END $$
"""
LET_COMMIT = "DROP FUNCTION refuse() CASCADE"

FILL_UP = """
    CREATE FUNCTION refuse_when_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT sum(length(id)) FROM entries) > 1000000 THEN
            RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_when_full BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION refuse_when_full()
"""


class PostgresBackend:
    """A database on a server that refuses what it is told to refuse."""

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self) -> PostgresDatabase:
        return PostgresDatabase(parse_address(self.url))

    @contextmanager
    def failing_commits(self, database: Database) -> Iterator[None]:
        on_server(self.url, FAIL_COMMITS)
        try:
            yield
        finally:
            on_server(self.url, LET_COMMIT)

    @contextmanager
    def full_disk(self, database: Database) -> Iterator[None]:
        on_server(self.url, FILL_UP)
        try:
            yield
        finally:
            on_server(self.url, "DROP FUNCTION refuse_when_full() CASCADE")


class TestPostgres(DatabaseSuite):
    @pytest.fixture
    def backend(self, postgres_url: str) -> DatabaseBackend:
        return PostgresBackend(postgres_url)


@pytest.mark.timeout(300)
def test_it_agrees_with_a_model_of_it(postgres_server_url: str) -> None:
    with ExitStack() as databases:
        machine = database_machine(
            lambda: PostgresBackend(databases.enter_context(new_database(postgres_server_url))),
        )

        run_state_machine_as_test(machine, settings=settings(max_examples=30, stateful_step_count=8, deadline=None))
