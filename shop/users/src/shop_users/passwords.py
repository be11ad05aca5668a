"""Passwords: hashed with Argon2id in threads of their own, because one hash costs tens of milliseconds of CPU."""

import asyncio
import base64
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from types import TracebackType
from typing import Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from atoll.problems import Unavailable
from shop_users.domain import CommonPassword

T = TypeVar("T")

MEMORY_KIB = 19 * 1024
ITERATIONS = 2
LANES = 1
"""OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, 2 iterations, 1 degree of parallelism."""

_SALT_BYTES = 16
_HASH_BYTES = 32

LENGTHS = range(8, 129)
"""Characters of a password, as `shop_contracts.users.Password` has them."""

MOST_THREADS = 4
"""Each holds 19 MiB while it hashes."""

MOST_WAITING = 200
"""How many may wait for a thread: some seconds of work. More are told to come back."""


class Passwords:
    """Makes and checks hashes. Enter it as an async context manager; leaving waits for those in hand."""

    def __init__(self, *, threads: int | None = None, most_waiting: int = MOST_WAITING) -> None:
        self._hasher = PasswordHasher(
            time_cost=ITERATIONS,
            memory_cost=MEMORY_KIB,
            parallelism=LANES,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        self._threads = threads or min(MOST_THREADS, os.cpu_count() or 1)
        self._most_waiting = most_waiting
        self._waiting = 0
        self._pool: ThreadPoolExecutor | None = None

    @property
    def waiting(self) -> int:
        """How many passwords are being hashed or wait for it."""
        return self._waiting

    async def hash(self, password: str) -> str:
        """The hash to keep; it holds its salt and its costs."""
        return await self._in_thread(lambda: self._hasher.hash(_prepared(password)))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether this is the password; False, as late as for a wrong one, when there is no hash at all."""
        return await self._in_thread(lambda: self._matches(password, password_hash or _hash_of_nothing()))

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _prepared(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._pool is None:
            raise RuntimeError("Passwords are used within their context only.")
        if self._waiting >= self._most_waiting:
            raise Unavailable("Too many people are signing in just now; please try again.", retry_after=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    async def __aenter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="passwords")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown)


def refuse_common(password: str) -> None:
    """Raise `CommonPassword` for one that is tried first by whoever guesses (NIST SP 800-63B, 5.1.1.2)."""
    if _normalized(password).casefold() in _common_passwords():
        raise CommonPassword


def _prepared(password: str) -> bytes:
    return _normalized(password).encode()


def _normalized(password: str) -> str:
    """The same characters typed on any keyboard give the same text (NIST SP 800-63B, 5.1.1.2: NFKC)."""
    return unicodedata.normalize("NFKC", password)


@cache
def _hash_of_nothing() -> str:
    """A hash as costly to check as any other, which no password has."""
    salt, digest = (base64.b64encode(bytes(size)).decode().rstrip("=") for size in (_SALT_BYTES, _HASH_BYTES))
    return f"$argon2id$v=19$m={MEMORY_KIB},t={ITERATIONS},p={LANES}${salt}${digest}"


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset((resources.files("shop_users") / "common_passwords.txt").read_text("utf-8").split())
