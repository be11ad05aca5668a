"""`python -m atoll.gateway.worker`: one of several processes at the same door, started by `atoll.gateway.workers`.

A whole gateway but for three things: its door is a socket that its parent has opened, its port for operations is only
for its parent, and it is not in the registry.
"""

import math

import msgspec

from atoll.gateway.app import create_gateway
from atoll.gateway.quota_line import QuotaLine
from atoll.gateway.reloading import settings_as_written
from atoll.gateway.settings import GATEWAY, GatewaySettings
from atoll.lifecycle import Program, main
from atoll.lifecycle.sockets import inherited_socket

DOOR = "ATOLL_GATEWAY_DOOR"
QUOTA = "ATOLL_GATEWAY_QUOTA"
"""Names in the environment of the numbers of open sockets: the door, and the line to whoever counts limits."""


def create_worker(settings: GatewaySettings) -> Program:
    """The gateway as one worker; what it is given is in the environment."""
    quota = inherited_socket(QUOTA)
    return create_gateway(
        share_of(settings),
        door=inherited_socket(DOOR),
        quota_store=QuotaLine(quota) if quota is not None and settings.limits_url is None else None,
        load=lambda: share_of(settings_as_written()),
        speaks_for_itself=False,
    )


def share_of(settings: GatewaySettings) -> GatewaySettings:
    """What one of the workers may have of what the settings allow to all of them."""
    return msgspec.structs.replace(
        settings,
        host="127.0.0.1",
        ops_port=0,
        max_connections=math.ceil(settings.max_connections / settings.workers),
        max_in_flight=math.ceil(settings.max_in_flight / settings.workers),
        max_waiting=math.ceil(settings.max_waiting / settings.workers),
        max_connections_per_instance=math.ceil(settings.max_connections_per_instance / settings.workers),
    )


if __name__ == "__main__":
    main(GATEWAY, create_worker, GatewaySettings)
