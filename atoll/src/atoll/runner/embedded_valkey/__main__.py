"""`python -m atoll.runner.embedded_valkey` runs the embedded Valkey server."""

from atoll.lifecycle import main
from atoll.runner.embedded_valkey.app import NAME, create_app
from atoll.runner.embedded_valkey.settings import EmbeddedValkeySettings

if __name__ == "__main__":
    main(NAME, create_app, EmbeddedValkeySettings)
