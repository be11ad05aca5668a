"""Moments: RFC 3339 in UTC on the wire, never without a time zone."""

from datetime import datetime
from typing import Annotated, TypeAlias

from msgspec import Meta

Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
