"""`python -m atoll.gateway` runs the gateway, as one process or several."""

from atoll.gateway.app import create_gateway
from atoll.gateway.settings import GATEWAY, GatewaySettings
from atoll.lifecycle import Program, main
from atoll.lifecycle.sockets import DOOR_FD, inherited_socket


def create(settings: GatewaySettings) -> Program:
    """The gateway as the settings want it, at the door that somebody holds open for it, if there is one."""
    door = inherited_socket(DOOR_FD)
    if settings.workers == 1:
        return create_gateway(settings, door=door)
    from atoll.gateway.front import create_front

    return create_front(settings, door=door)


if __name__ == "__main__":
    main(GATEWAY, create, GatewaySettings)
