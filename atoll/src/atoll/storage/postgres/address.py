"""The address of a PostgreSQL database, checked before anything is opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

POOL_SIZE = 10
LARGEST_POOL = 1000

_EXAMPLE = "write postgresql://user:password@host:5432/orders"
_TLS_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_LIBPQ_OPTIONS = frozenset(
    [
        *("host", "port", "user", "password", "passfile", "dbname", "target_session_attrs"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    ]
)
_SESSION_OPTIONS = frozenset(["application_name", "search_path"])
_OUR_OPTIONS = frozenset(["pool_size"])


@dataclass(frozen=True)
class Address:
    """Where a database is, as whom, and over how many connections; `str` of it holds no secret."""

    dsn: str = field(repr=False)
    """For asyncpg, without the options that are ours."""
    place: str
    """Host, port and database."""
    pool_size: int = POOL_SIZE
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of each session."""

    def __str__(self) -> str:
        return self.place


def parse_address(url: str) -> Address:
    """What `url` means; ValueError in words that hold no password when it means nothing.

    After the database's name may come `?sslmode=verify-full&sslrootcert=…` and the like, as libpq has them;
    `application_name` and `search_path`; and `pool_size`, the most connections for transactions.
    """
    parts, port = _split(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _refuse_unknown(options)
    database = options.get("dbname") or unquote(parts.path.removeprefix("/"))
    if not database:
        raise ValueError(f"PostgreSQL needs the name of a database; {_EXAMPLE}.")
    host = options.get("host") or parts.hostname or "localhost"
    ours = {name: options.pop(name) for name in _OUR_OPTIONS & options.keys()}
    settings = {name: options.pop(name) for name in _SESSION_OPTIONS & options.keys()}
    return Address(
        dsn=urlunsplit(parts._replace(scheme="postgresql", query=urlencode(options))),
        place=f"{host}:{options.get('port') or port or 5432}/{database}",
        pool_size=_pool_size(ours.get("pool_size", str(POOL_SIZE))),
        settings=settings,
    )


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        return (parts := urlsplit(url)), parts.port
    except ValueError:
        raise ValueError(f"This is not an address; {_EXAMPLE}, with %2F for / in a password and the like.") from None


def _refuse_unknown(options: dict[str, str]) -> None:
    known = _LIBPQ_OPTIONS | _SESSION_OPTIONS | _OUR_OPTIONS
    for name in options:
        if name not in known:
            raise ValueError(f"{name} is no option of a PostgreSQL address; there are {', '.join(sorted(known))}.")
    if options.get("sslmode", "prefer") not in _TLS_MODES:
        raise ValueError(f"sslmode is one of {', '.join(_TLS_MODES)}.")


def _pool_size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= LARGEST_POOL:
        raise ValueError(f"pool_size is a number of connections, from 1 to {LARGEST_POOL}.")
    return int(text)
