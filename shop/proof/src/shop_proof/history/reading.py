"""Reading histories: every request with what came of it, in the order in which they were sent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from shop_proof.history import lines


class HistoryUnreadable(Exception):
    """The file is no history; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, and the position of that moment among all moments of the histories."""

    status: int
    body: str
    position: int

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(slots=True)
class Request:
    """One request as it was sent, and the answer, if a whole one came. Repeats are requests of their own."""

    by: str
    method: str
    path: str
    key: str
    body: str
    position: int
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The requests of some clients; those of one client are in the order in which it sent them."""

    requests: Sequence[Request] = field(default_factory=list)

    @property
    def unanswered(self) -> int:
        return sum(request.answer is None for request in self.requests)


def read_histories(paths: Iterable[Path]) -> History:
    """All the requests of the files; raises `HistoryUnreadable`."""
    requests: list[Request] = []
    position = 0
    for path in paths:
        position = _read_one(path, requests, position)
    return History(requests)


def _read_one(path: Path, requests: list[Request], position: int) -> int:
    in_hand: dict[int, Request] = {}
    for line in _lines(path):
        position += 1
        match line:
            case lines.Began():
                in_hand = {}
            case lines.Sent():
                request = Request(line.by, line.method, line.path, line.key, line.body, position)
                in_hand[line.number] = request
                requests.append(request)
            case lines.Answered():
                _request(in_hand, line.number, path).answer = Answer(line.status, line.body, position)
            case lines.Unanswered():
                _request(in_hand, line.number, path)
    return position


def _request(in_hand: dict[int, Request], number: int, path: Path) -> Request:
    try:
        return in_hand.pop(number)
    except KeyError:
        raise HistoryUnreadable(f"{path} tells of an answer to request {number}, which was not sent.") from None


def _lines(path: Path) -> Iterator[lines.Line]:
    """The lines; one that was cut short is passed over if nothing of its client comes after it."""
    try:
        with path.open("rb") as file:
            broken = 0
            for number, text in enumerate(file, 1):
                try:
                    line = lines.decode(text)
                except msgspec.MsgspecError:
                    broken = broken or number
                    continue
                if broken and not isinstance(line, lines.Began):
                    raise HistoryUnreadable(f"{path} is no history: line {broken} cannot be read.")
                broken = 0
                yield line
            if broken == 1:
                raise HistoryUnreadable(f"{path} is no history: line 1 cannot be read.")
    except OSError as error:
        raise HistoryUnreadable(f"{path} cannot be read: {error.strerror}.") from error
