"""`python -m atoll.gateway` runs the gateway, as one process or several."""

from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GATEWAY, GatewaySettings
from atoll.lifecycle import Program, main


def create(settings: GatewaySettings) -> Program:
    """The gateway as the settings want it."""
    if settings.workers == 1:
        return create_gateway(settings)
    from atoll.gateway.front import create_front

    return create_front(settings)


if __name__ == "__main__":
    main(GATEWAY, create, GatewaySettings)
