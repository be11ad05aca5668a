"""The address of a PostgreSQL database, checked before anything is opened."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

POOL_SIZE = 10
LARGEST_POOL = 1000

_EXAMPLE = "write postgresql://user:password@host:5432/orders"
_ESCAPED = "with %2F for / in a password, %40 for @, %23 for # and the like"
_HOST = re.compile(r"(?P<host>[^\s:@\[\]]*|\[[^\s\[\]]+\])(?::(?P<port>\d+))?")
_PORTS = range(1, 65536)

_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
}
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_LIBPQ_OPTIONS = frozenset(["host", "port", "user", "password", "passfile", "dbname", "sslpassword", *_FILES, *_WORDS])
_SESSION_OPTIONS = frozenset(["application_name", "search_path"])
_OUR_OPTIONS = frozenset(["pool_size"])
_NOT_LIBPQ = _OUR_OPTIONS | {"search_path"}
_SYSTEM = "system"


@dataclass(frozen=True)
class Address:
    """Where a database is, as whom, and over how many connections; `str` of it holds no secret."""

    dsn: str = field(repr=False)
    """For asyncpg, without the options that are ours."""
    place: str
    """Hosts, ports and database."""
    pool_size: int = POOL_SIZE
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of each session."""
    trusts_system: bool = False
    """Whether the server must be who it says, as vouched for by the authorities that this machine trusts."""

    def __str__(self) -> str:
        return self.place


def parse_address(url: str) -> Address:
    """What `url` means; ValueError in words that hold no password when it means nothing.

    There may be several hosts with commas between, which are tried in order. After the database's name may come
    `?sslmode=verify-full&sslrootcert=…` and the like, as libpq has them, where the files must be there;
    `application_name` and `search_path`; and `pool_size`, the most connections for transactions.
    """
    parts = _split(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _refuse_unknown(options)
    database = options.get("dbname") or unquote(parts.path.removeprefix("/"))
    if not database:
        raise ValueError(f"PostgreSQL needs the name of a database; {_EXAMPLE}.")
    trusts_system = _take_system(options)
    _refuse_unreadable(options)
    hosts = ",".join(_hosts(parts, options))
    ours = {name: options.pop(name) for name in _OUR_OPTIONS & options.keys()}
    settings = {name: options.pop(name) for name in _SESSION_OPTIONS & options.keys()}
    return Address(
        dsn=urlunsplit(parts._replace(scheme="postgresql", query=urlencode(options))),
        place=f"{hosts}/{database}",
        pool_size=_pool_size(ours.get("pool_size", str(POOL_SIZE))),
        settings=settings,
        trusts_system=trusts_system,
    )


def libpq_url(url: str) -> str:
    """The same address for programs that use libpq, without what it does not know."""
    parts = urlsplit(url)
    options = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in _NOT_LIBPQ]
    return urlunsplit(parts._replace(query=urlencode(options)))


def _split(url: str) -> SplitResult:
    """The parts, where nothing of a password has come into any but its own."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _no_address() from None
    if parts.fragment or parts.netloc.count("@") > 1 or "@" in parts.path + parts.query:
        raise _no_address()
    return parts


def _no_address() -> ValueError:
    return ValueError(f"This is not an address; {_EXAMPLE}, {_ESCAPED}.")


def _hosts(parts: SplitResult, options: Mapping[str, str]) -> list[str]:
    """Each with its port."""
    if "host" in options:
        return [f"{host}:{options.get('port') or 5432}" for host in options["host"].split(",")]
    return [_host(text, options.get("port", "")) for text in parts.netloc.rpartition("@")[2].split(",")]


def _host(text: str, port: str) -> str:
    match = _HOST.fullmatch(unquote(text))
    if match is None or int(match["port"] or 5432) not in _PORTS:
        raise _no_address()
    return f"{match['host'].strip('[]') or 'localhost'}:{port or match['port'] or 5432}"


def _refuse_unknown(options: Mapping[str, str]) -> None:
    known = _LIBPQ_OPTIONS | _SESSION_OPTIONS | _OUR_OPTIONS
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"{name} is no option of a PostgreSQL address; there are {', '.join(sorted(known))}.")
        if name in _WORDS and value not in _WORDS[name]:
            raise ValueError(f"{name} is one of {', '.join(_WORDS[name])}.")


def _take_system(options: dict[str, str]) -> bool:
    """Take `sslrootcert=system` out of the options, if it is there; asyncpg does not know it."""
    if options.get("sslrootcert") != _SYSTEM:
        return False
    del options["sslrootcert"]
    if options.pop("sslmode", "verify-full") != "verify-full":
        raise ValueError("sslrootcert=system goes with sslmode=verify-full only: nobody else's name would be checked.")
    if "sslcert" in options:
        raise ValueError("With sslcert, name a file of authorities as sslrootcert, not system.")
    return True


def _refuse_unreadable(options: Mapping[str, str]) -> None:
    for name in _FILES:
        if name in options:
            try:
                open(options[name], "rb").close()
            except OSError as error:
                raise ValueError(f"{name} names {options[name]}, which cannot be read: {error.strerror}.") from None


def _pool_size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= LARGEST_POOL:
        raise ValueError(f"pool_size is a number of connections, from 1 to {LARGEST_POOL}.")
    return int(text)
