"""Answers name their service, so that a caller notices when a port was taken over by another one."""

from atoll.http1.messages import Field, Fields

HEADER = "Atoll-Service"
"""The answer header with the name of the service that gave it. Who sends none (a foreign service) is believed."""

_NAME = HEADER.lower().encode("ascii")
_LENGTH = len(_NAME)


def field(service: str) -> Field:
    """The field by which `service` names itself, as our services write it."""
    return _NAME, service.encode("ascii")


def found_in(fields: Fields) -> bytes | None:
    """The service that an answer names; None when it names none."""
    for name, value in reversed(fields):  # our services name themselves at the end
        if len(name) == _LENGTH and name.lower() == _NAME:
            return value.strip(b" \t")
    return None
