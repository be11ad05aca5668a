"""`python -m atoll.runner.embedded_postgres` runs the embedded PostgreSQL server."""

from atoll.lifecycle import main
from atoll.runner.embedded_postgres.app import NAME, create_app
from atoll.runner.embedded_postgres.settings import EmbeddedPostgresSettings

if __name__ == "__main__":
    main(NAME, create_app, EmbeddedPostgresSettings)
