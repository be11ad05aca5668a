"""`python -m atoll.gateway` runs the gateway."""

from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GATEWAY, GatewaySettings
from atoll.lifecycle import main

if __name__ == "__main__":
    main(GATEWAY, create_gateway, GatewaySettings)
