"""Bodies that nobody sends by accident: the right refusal at once, at a service and at the door, in bounded memory."""

import asyncio
import gzip
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from tests.contract.one_process import OneProcessShop, Person

from atoll.runner.process_memory import resident_memory
from atoll.testing.raw_http import RawAnswer, connected

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEEP = 100_000
JSON = "application/json"


class Attempt(NamedTuple):
    """A POST to /products by an administrator."""

    about: str
    status: int
    body: bytes
    media_type: str = JSON
    encoding: str = ""

    def __str__(self) -> str:
        return self.about


def product(price: bytes = b"1", name: bytes = b'"Lamp"', more: bytes = b"") -> bytes:
    return b'{"name": %b, "price": %b, "category": "home"%b}' % (name, price, more)


BOMB = gzip.compress(b" " * 10_000_000)

ATTEMPTS = (
    Attempt("a huge number", 422, product(price=b"1e400")),
    Attempt("a hugely negative number", 422, product(price=b"-1e400")),
    Attempt("a tiny number", 422, product(price=b"1e-400")),
    Attempt("an exponent that would fill the memory", 422, product(price=b"1e999999999")),
    Attempt("a fraction of 100,000 digits", 422, product(price=b"0." + b"1" * DEEP)),
    Attempt("an integer of 100,000 digits", 422, product(more=b', "stock": ' + b"9" * DEEP)),
    Attempt("a price of 100,000 digits", 422, product(price=b"9" * DEEP)),
    Attempt("a third decimal", 422, product(price=b"1.005")),
    Attempt("not a number", 400, product(price=b"NaN")),
    Attempt("infinity", 400, product(price=b"-Infinity")),
    Attempt("a number as a text", 422, product(price=b'"1"')),
    Attempt("true for a number", 422, product(price=b"true")),
    Attempt("a lone surrogate, escaped", 400, product(name=rb'"\ud800"')),
    Attempt("a lone low surrogate, escaped", 400, product(name=rb'"\udc00 "')),
    Attempt("a lone surrogate in bytes", 400, product(name=b'"\xed\xa0\x80"')),
    Attempt("another encoding than UTF-8", 400, product(name='"Lämp"'.encode("latin-1"))),
    Attempt("UTF-16", 400, product().decode().encode("utf-16")),
    Attempt("a byte order mark", 400, b"\xef\xbb\xbf" + product()),
    Attempt("the null character, escaped", 422, product(name=rb'"a\u0000b"')),
    Attempt("a control character in a text", 400, product(name=b'"a\x00b"')),
    Attempt("brackets 100,000 deep", 400, b"[" * DEEP),
    Attempt("brackets 100,000 deep, and closed", 400, b"[" * DEEP + b"]" * DEEP),
    Attempt("objects 100,000 deep", 400, b'{"name":' * DEEP),
    Attempt("brackets 100,000 deep in a field nobody knows", 400, product(more=b', "x": ' + b"[" * DEEP + b"]" * DEEP)),
    Attempt("a name that is there twice", 422, product(more=b', "name": "Another"')),
    Attempt("a name that is there twice, written differently", 422, product(more=rb', "n\u0061me": "Another"')),
    Attempt("an unknown field", 422, product(more=b', "id": "mine"')),
    Attempt("more after the end", 400, product() + b"}"),
    Attempt("nothing", 400, b""),
    Attempt("a thousand products", 422, b"[" + b",".join([product()] * 1000) + b"]"),
    Attempt("a compressed body", 415, gzip.compress(product()), encoding="gzip"),
    Attempt("a compressed body that grows a thousandfold", 415, BOMB, encoding="gzip"),
    Attempt("a compressed body that does not say so", 400, BOMB),
    Attempt("an encoding that nobody knows", 415, product(), encoding="br, gzip"),
    Attempt("a charset that is not UTF-8", 415, product(), "application/json; charset=utf-16"),
    Attempt("a form", 415, b"name=Lamp&price=1", "application/x-www-form-urlencoded"),
    Attempt("text", 415, product(), "text/plain"),
    Attempt("no type at all", 415, product(), ""),
    Attempt("ten megabytes", 413, b'"' + b"x" * 10_000_000 + b'"'),
)


@pytest.mark.parametrize("place", ["products", "door"])
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)
async def test_a_hostile_body_is_refused_as_what_it_is(
    attempt: Attempt, place: str, shop: OneProcessShop, admin: Person
) -> None:
    headers = {"Content-Type": attempt.media_type, "Content-Encoding": attempt.encoding, **admin.headers}

    answer = await posted(shop, place, headers, attempt.body)

    assert attempt.status == answer.status, answer.body
    assert_is_a_short_problem(answer)


@pytest.mark.parametrize("place", ["products", "door"])
async def test_bodies_without_an_end_are_refused_before_they_fill_the_memory(
    place: str, shop: OneProcessShop, admin: Person
) -> None:
    headers = {"Content-Type": JSON, "Transfer-Encoding": "chunked", **admin.headers}
    before = resident_memory(os.getpid()) or 0

    answers = await asyncio.gather(*(posted_without_end(shop, place, headers) for _ in range(30)))
    grown = (resident_memory(os.getpid()) or 0) - before

    assert {413} == {answer.status for answer in answers}
    assert grown < 100 * 1024 * 1024
    for answer in answers:
        assert_is_a_short_problem(answer)


def assert_is_a_short_problem(answer: RawAnswer) -> None:
    assert answer.fields["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status
    assert answer.json()["traceId"]
    assert len(answer.body) < 2000


async def posted(shop: OneProcessShop, place: str, headers: Mapping[str, str], body: bytes) -> RawAnswer:
    """One request over a connection of its own; what is not read any more is not sent."""
    head = request_head(place, {**headers, "Content-Length": str(len(body))})
    async with connected(port_of(shop, place)) as client:
        sending = asyncio.ensure_future(client.send(head + body))
        try:
            return await client.answer()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def posted_without_end(shop: OneProcessShop, place: str, headers: Mapping[str, str]) -> RawAnswer:
    chunk = b"10000\r\n" + b"[" * 0x10000 + b"\r\n"

    async def send_for_ever(client: Any) -> None:
        await client.send(request_head(place, headers))
        while True:
            await client.send(chunk)

    async with connected(port_of(shop, place)) as client:
        sending = asyncio.ensure_future(send_for_ever(client))
        try:
            return await client.answer()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


def request_head(place: str, headers: Mapping[str, str]) -> bytes:
    path = "/api/products" if place == "door" else "/products"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    return f"POST {path} HTTP/1.1\r\nHost: shop\r\n{fields}\r\n".encode()


def port_of(shop: OneProcessShop, place: str) -> int:
    return int(shop.urls[place].rpartition(":")[2])
