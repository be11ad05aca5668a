"""The table of what was answered, with the statements that are right under READ COMMITTED."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from atoll import wire
from atoll.endpoints import Reply
from atoll.idempotency.keyed_request import KeyedRequest, KeyUsedDifferently
from atoll.storage import Reading, Transaction, Value

TABLE = """
CREATE TABLE kept_answers (
    route TEXT NOT NULL,
    caller TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    status BIGINT,
    headers TEXT NOT NULL,
    body BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (route, caller, idempotency_key)
);

CREATE INDEX kept_answers_by_age ON kept_answers (created_at);
"""
"""What a migration of the service has to create. A `status` of NULL is the route's own."""

_FIND = """
    SELECT fingerprint, status, headers, body FROM kept_answers
    WHERE route = $1 AND caller = $2 AND idempotency_key = $3 AND created_at > $4
"""

_KEEP_NEW = """
    INSERT INTO kept_answers (route, caller, idempotency_key, fingerprint, status, headers, body, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

_KEEP = f"""
    {_KEEP_NEW}
    ON CONFLICT (route, caller, idempotency_key) DO UPDATE
    SET fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers,
        body = excluded.body, created_at = excluded.created_at
    WHERE kept_answers.created_at <= $9
"""  # noqa: S608 - constants only

_FILL = """
    UPDATE kept_answers SET status = $4, headers = $5, body = $6
    WHERE route = $1 AND caller = $2 AND idempotency_key = $3
"""

_HAS_ANY = "SELECT 1 FROM kept_answers WHERE created_at <= $1 LIMIT 1"

_FORGET = """
    DELETE FROM kept_answers WHERE (route, caller, idempotency_key) IN (
        SELECT route, caller, idempotency_key FROM kept_answers WHERE created_at <= $1 ORDER BY created_at LIMIT $2
    )
"""


class KeptAnswer(Struct, frozen=True):
    """An answer as it was given: its own status (None for the route's) and headers, and its body."""

    body: bytes
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, reply: Reply[Any]) -> "KeptAnswer":
        body = b"" if reply.value is None else wire.encode(reply.value)
        return cls(body, reply.status, reply.headers)

    def reply(self) -> Reply[Any]:
        """The same answer, once more."""
        return Reply(wire.Raw(self.body) if self.body else None, self.status, self.headers)


_NO_ANSWER_YET = KeptAnswer(b"")

_read_headers = wire.decoder(dict[str, str]).decode


async def find(reading: Reading, request: KeyedRequest) -> KeptAnswer | None:
    """What was answered to the request, unless it was too long ago.

    Raises `KeyUsedDifferently` when it was the answer to something else.
    """
    row = await reading.fetch_one(_FIND, *request.name, request.kept_since)
    if row is None:
        return None
    fingerprint, status, headers, body = row
    if fingerprint != request.fingerprint:
        raise KeyUsedDifferently
    return KeptAnswer(body, status, _read_headers(headers.encode()))


async def keep(tx: Transaction, request: KeyedRequest, answer: KeptAnswer) -> bool:
    """Keep the answer; False, once it is durable, when there is one to the request's key already."""
    return await tx.execute(_KEEP, *_row(request, answer), request.kept_since) == 1


async def keep_new(tx: Transaction, answers: Iterable[tuple[KeyedRequest, KeptAnswer]]) -> None:
    """Keep all of them; `UniqueViolated` when there is one to any of the keys, however old."""
    await tx.execute_many(_KEEP_NEW, [_row(request, answer) for request, answer in answers])


async def claim(tx: Transaction, request: KeyedRequest) -> bool:
    """Take the key before there is an answer, which `fill` adds in the same transaction; False as for `keep`.

    Where transactions run in parallel, another one with the key waits here until this one has ended.
    """
    return await keep(tx, request, _NO_ANSWER_YET)


async def fill(tx: Transaction, request: KeyedRequest, answer: KeptAnswer) -> None:
    """Add the answer to a key that was claimed."""
    await tx.execute(_FILL, *request.name, answer.status, wire.encode(answer.headers).decode(), answer.body)


async def has_any(reading: Reading, kept_since: int) -> bool:
    """Whether there is an answer given up to that moment, in milliseconds."""
    return await reading.fetch_one(_HAS_ANY, kept_since) is not None


async def forget(tx: Transaction, kept_since: int, limit: int) -> int:
    """Forget at most `limit` of the answers given up to that moment, in milliseconds; returns how many."""
    return await tx.execute(_FORGET, kept_since, limit)


def _row(request: KeyedRequest, answer: KeptAnswer) -> tuple[Value, ...]:
    headers = wire.encode(answer.headers).decode() if answer.headers else "{}"
    return (*request.name, request.fingerprint, answer.status, headers, answer.body, request.at)
