"""What a person, or a program, sees of a running system."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

LogFormat = Literal["auto", "pretty", "json"]


class Tone(StrEnum):
    """How a sentence of the runner is meant."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service at one moment; `uptime` in seconds and `memory` in bytes, None where there is nothing to tell."""

    name: str
    state: str
    port: int
    pid: int
    uptime: float | None
    restarts: int
    memory: int | None


class View(AbstractContextManager["View"], Protocol):
    """Shows what happens, from `__enter__` to `__exit__`.

    Lines and sentences are held back until `flush` or `show`: a flood of them costs little, and nothing is said
    before it was written down. Raises BrokenPipeError when nobody reads any more.
    """

    def log(self, service: str, line: str) -> None:
        """`service` printed a line."""

    def say(self, sentence: str, tone: Tone = Tone.PLAIN) -> None:
        """The runner has something to say; may be several lines."""

    def flush(self) -> None:
        """Bring out everything logged and said so far."""

    def show(self, rows: Sequence[ServiceRow]) -> None:
        """How every service is now; also does what `flush` does."""
