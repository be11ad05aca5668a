"""The note `system.json` in the data folder: what runs, where, and since when."""

from datetime import datetime

import msgspec


class RunningService(msgspec.Struct, frozen=True, rename="camel"):
    """One service of the note. `pid` is 0 and the addresses are empty while they are not known."""

    state: str
    pid: int
    ports: dict[str, int]
    url: str
    operations_url: str
    restarts: int
    up_since: datetime | None


class RunningSystem(msgspec.Struct, frozen=True, rename="camel"):
    """A running system; `file` is its system file, `runner_pid` the `atoll up` that looks after it."""

    name: str
    file: str
    runner_pid: int
    started_at: datetime
    services: dict[str, RunningService]
