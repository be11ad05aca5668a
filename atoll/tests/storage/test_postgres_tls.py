"""PostgreSQL over TLS: who the server is, who we are, and that nothing else is different."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from atoll.runner.embedded_postgres.account import account_for
from atoll.runner.embedded_postgres.server import PostgresServer
from atoll.storage import Database, DatabaseUnavailable
from atoll.storage.postgres import PostgresDatabase, parse_address
from atoll.testing.eventually import eventually
from atoll.testing.postgres_relay import PostgresRelay, postgres_relay
from atoll.testing.postgres_server import on_server

HOST = "127.0.0.1"
PEM = serialization.Encoding.PEM
INSTALLED = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
"""Where systems put PostgreSQL; the one of the wheel is built without TLS."""

ASLEEP = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'active' AND wait_event = 'PgSleep'
"""


class Authority:
    """Signs certificates, each in one file with its key."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._signed(self._name, self._key, is_authority=True))

    def certificate(self, name: str) -> Path:
        """For a server on this machine's address, and for a client of that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file = self._folder / f"{name}.pem"
        file.write_bytes(self._signed(subject, key, is_authority=False) + private)
        file.chmod(0o600)
        return file

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool) -> bytes:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(_usage(is_authority=is_authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
            .public_bytes(PEM)
        )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    """What RFC 5280 wants said of a key, and Python from 3.13 on checks."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True)
class TlsServer:
    """A database that can be reached by TLS, and the authority that vouches for its server."""

    url: str
    authority: Authority

    @property
    def url_by_name(self) -> str:
        """With a name of this machine that is not in the certificate."""
        return self.url.replace(HOST, "localhost")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the account of the server can enter, even if the tests run as root."""
    with TemporaryDirectory(prefix="atoll-tls-") as name:
        os.chmod(name, 0o711)  # noqa: S103 - to pass through, not to read
        yield Path(name)


@pytest.fixture
async def server(postgres_url: str, folder: Path) -> AsyncIterator[TlsServer]:
    """A way to a server that speaks TLS."""
    authority = Authority(folder, "authority")
    async with relayed(postgres_url, authority) as relay:
        yield TlsServer(relay.url, authority)


@asynccontextmanager
async def relayed(url: str, authority: Authority, *, ask_clients: bool = False) -> AsyncIterator[PostgresRelay]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.load_cert_chain(authority.certificate("server"))
    context.verify_mode = ssl.CERT_REQUIRED if ask_clients else ssl.CERT_NONE
    async with postgres_relay(url, context) as relay:
        yield relay


@asynccontextmanager
async def real_server(folder: Path, authority: Authority, programs: Path) -> AsyncIterator[str]:
    certificate = authority.certificate("server")
    account_for(folder / "postgres").own(certificate)
    server = PostgresServer(folder / "postgres", host=HOST, port=0, secret="of this test", programs=programs)
    await server.start()
    try:
        files = [f"ALTER SYSTEM SET ssl_{name}_file = '{certificate}'" for name in ("cert", "key")]
        on_server(server.administrator_url, *files, "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
        yield server.administrator_url
    finally:
        await server.stop()


def programs_with_tls() -> Path | None:
    """The folder of a `postgres` that was built with TLS."""
    folders = [folder for pattern in INSTALLED for folder in sorted(Path("/").glob(pattern.removeprefix("/")))]
    if found := which("postgres"):
        folders.append(Path(found).parent)
    return next((folder for folder in folders if has_tls(folder)), None)


def has_tls(programs: Path) -> bool:
    if not all((programs / name).exists() for name in ("postgres", "initdb", "pg_config")):
        return False
    built = subprocess.run([programs / "pg_config", "--configure"], capture_output=True, check=False, text=True)  # noqa: S603 - as found
    return "--with-openssl" in built.stdout or "--with-ssl" in built.stdout


def through(url: str, *options: str) -> PostgresDatabase:
    return PostgresDatabase(parse_address("&".join([f"{url}?sslmode=verify-full", *options])), patience=0.2)


async def answers(database: PostgresDatabase) -> bool:
    async with database:
        return (1,) == await database.fetch_one("SELECT 1")


async def has_asleep(database: Database, count: int) -> bool:
    return (count,) == await database.fetch_one(ASLEEP)


async def cancel_a_sleeper(database: Database) -> None:
    """Returns when nothing runs any more for a caller that was cancelled."""
    sleeping = asyncio.create_task(database.transaction(lambda tx: tx.fetch_one("SELECT pg_sleep(60)")))
    await eventually(partial(has_asleep, database, 1))
    sleeping.cancel()
    await eventually(partial(has_asleep, database, 0))


async def test_a_server_is_believed_whose_name_is_in_a_certificate_that_we_trust(server: TlsServer) -> None:
    assert await answers(through(server.url, f"sslrootcert={server.authority.file}"))


async def test_a_server_that_another_authority_vouches_for_is_refused(server: TlsServer, tmp_path: Path) -> None:
    other = Authority(tmp_path, "authority")
    with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
        await answers(through(server.url, f"sslrootcert={other.file}"))


async def test_a_server_that_calls_itself_otherwise_is_refused_unless_names_do_not_matter(server: TlsServer) -> None:
    root = f"sslrootcert={server.authority.file}"
    with pytest.raises(DatabaseUnavailable, match="certificate is not valid for 'localhost'"):
        await answers(through(server.url_by_name, root))
    by_authority = PostgresDatabase(parse_address(f"{server.url_by_name}?sslmode=verify-ca&{root}"))

    assert await answers(by_authority)


async def test_authorities_of_the_machine_are_trusted_when_asked_for(
    server: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
        await answers(through(server.url, "sslrootcert=system"))
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority.file))

    assert await answers(through(server.url, "sslrootcert=system"))


async def test_over_tls_too_a_cancelled_caller_leaves_nothing_running(server: TlsServer) -> None:
    async with through(server.url, f"sslrootcert={server.authority.file}") as database:
        await cancel_a_sleeper(database)


async def test_a_server_that_asks_who_we_are_is_told_by_our_certificate(postgres_url: str, folder: Path) -> None:
    authority = Authority(folder, "authority")
    ours, root = authority.certificate("client"), f"sslrootcert={authority.file}"
    async with relayed(postgres_url, authority, ask_clients=True) as relay:
        assert await answers(through(relay.url, root, f"sslcert={ours}", f"sslkey={ours}"))
        with pytest.raises(DatabaseUnavailable):
            await answers(through(relay.url, root))


async def test_where_tls_is_demanded_a_server_without_it_is_refused(postgres_url: str) -> None:
    async with postgres_relay(postgres_url) as relay:
        with pytest.raises(DatabaseUnavailable, match="rejected SSL upgrade"):
            await answers(PostgresDatabase(parse_address(f"{relay.url}?sslmode=require"), patience=0.2))


async def test_a_server_that_speaks_tls_itself_is_no_different(folder: Path, tmp_path: Path) -> None:
    programs = programs_with_tls()
    if programs is None:
        pytest.skip("no PostgreSQL with TLS here: the wheel's is built without it, and no other one is installed")
    authority, other = Authority(folder, "authority"), Authority(tmp_path, "authority")
    async with real_server(folder, authority, programs) as url:
        with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
            await answers(through(url, f"sslrootcert={other.file}"))
        async with through(url, f"sslrootcert={authority.file}") as database:
            assert (True,) == await database.fetch_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            await cancel_a_sleeper(database)
