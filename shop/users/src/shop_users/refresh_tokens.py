"""Refresh tokens: random, shown once, and kept as digests only."""

import hashlib
import secrets

LIFETIME = 7 * 24 * 3600
"""Seconds from its issue in which a refresh token can be used."""

_RANDOM_BYTES = 32


def new_refresh_token() -> str:
    """256 random bits, as letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def digest(token: str) -> str:
    """What is kept of a token. So much randomness needs no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
