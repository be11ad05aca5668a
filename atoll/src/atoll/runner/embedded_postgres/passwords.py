"""One secret, and from it a password for each role, so that no service knows that of another."""

import hashlib
import hmac
from urllib.parse import quote, urlencode

ADMINISTRATOR = "atoll"


def password_of(role: str, secret: str) -> str:
    """The password of a role; the same whenever it is asked for."""
    return hmac.new(secret.encode(), role.encode(), hashlib.sha256).hexdigest()


def url_of(role: str, secret: str, port: int, *, host: str = "127.0.0.1", database: str = "") -> str:
    """Where a role finds its database, which is called as itself unless said otherwise.

    A `host` that is a path is the folder of a socket.
    """
    if host.startswith("/"):
        place = urlencode({"host": host, "port": port}, quote_via=quote)
        return f"postgresql://{role}:{password_of(role, secret)}@/{database or role}?{place}"
    return f"postgresql://{role}:{password_of(role, secret)}@{host}:{port}/{database or role}"
