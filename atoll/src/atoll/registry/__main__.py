"""`python -m atoll.registry` runs the registry."""

from atoll.discovery.registry_api import REGISTRY
from atoll.lifecycle import main
from atoll.registry.app import create_registry
from atoll.registry.settings import RegistrySettings

if __name__ == "__main__":
    main(REGISTRY, create_registry, RegistrySettings)
