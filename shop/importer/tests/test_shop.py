"""The way to the shop: only ever as its address says."""

import socket
import threading
from collections.abc import Iterator

import pytest

from shop_importer.shop import NotImported, Shop


class Listener:
    """Takes one connection, and keeps what is said first on it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard = b""
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            self.heard = connection.recv(4096)

    def close(self) -> None:
        self._thread.join()
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def test_a_password_for_https_is_never_sent_in_the_clear(listener: Listener) -> None:
    with pytest.raises(NotImported, match="gives no answer"):
        Shop(f"https://127.0.0.1:{listener.port}").sign_in("root@example.com", "a secret password")

    listener.close()
    assert b"\x16\x03" == listener.heard[:2]  # a TLS handshake
    assert b"secret" not in listener.heard


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:3000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x", "http://a:b@127.0.0.1", "http://h/api"],
)
def test_what_is_no_address_of_a_shop_is_told(url: str) -> None:
    with pytest.raises(NotImported, match=r"write http://host:port or https://host\.$"):
        Shop(url)
