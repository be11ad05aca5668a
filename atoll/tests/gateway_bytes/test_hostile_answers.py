"""What services may answer to hurt us or our clients, and what comes of each: 502, or cut where the head has gone."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from atoll.gateway.settings import RouteSettings
from atoll.testing.cuts import ways
from atoll.testing.gateways import open_gateway
from atoll.testing.hostile_answers import (
    Bad,
    CutOff,
    Ending,
    Examiner,
    HostileAnswer,
    LyingService,
    Outcome,
    Passed,
)

ROUTES = (RouteSettings(path="/things", to="things", access="public"),)

OK = b"HTTP/1.1 200 OK\r\n"
HI = OK + b"Content-Length: 2\r\n\r\nhi"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
END = b"0\r\n\r\n"
BAD = Bad()

MOST_CUTS = 100
"""Bytes that are all cut between in the short form; of what is longer only so many places are tried."""

HEADS: dict[str, tuple[bytes, Outcome]] = {
    "nothing like HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", BAD),
    "a request": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", BAD),
    "HTTP/0.9": (b"<html>hello</html>", BAD),
    "zeros": (b"\0" * 40, BAD),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x46", BAD),
    "preface of HTTP/2": (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64", BAD),
    "version 0.9": (b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "version 1.2": (b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "version 2.0": (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "version 3.0": (b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "version in small letters": (b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "version of another protocol": (b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "status of two digits": (b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "status of four digits": (b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "status of letters": (b"HTTP/1.1 two OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "negative status": (b"HTTP/1.1 -200 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "status 000": (b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "status 099": (b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "status 600": (b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "status 999": (b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "no status": (b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n", BAD),
    "two spaces before the status": (b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "tab before the status": (b"HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n", BAD),
    "LF for line ends": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", BAD),
    "LF after a field": (OK + b"A: b\nContent-Length: 0\r\n\r\n", BAD),
    "CR in a value": (OK + b"A: b\rc\r\nContent-Length: 0\r\n\r\n", BAD),
    "CR in the reason": (b"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n", BAD),
    "folded field": (OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n", BAD),
    "folded length": (OK + b"Content-Length:\r\n 2\r\n\r\nhi", BAD),
    "first field folded": (OK + b" A: b\r\nContent-Length: 0\r\n\r\n", BAD),
    "space before the colon": (OK + b"A : b\r\nContent-Length: 0\r\n\r\n", BAD),
    "no colon": (OK + b"Ab\r\nContent-Length: 0\r\n\r\n", BAD),
    "no name": (OK + b": b\r\nContent-Length: 0\r\n\r\n", BAD),
    "NUL in a value": (OK + b"A: b\0c\r\nContent-Length: 0\r\n\r\n", BAD),
    "control byte in a value": (OK + b"A: b\x01c\r\nContent-Length: 0\r\n\r\n", BAD),
    "high byte in a name": (OK + b"\xe4: b\r\nContent-Length: 0\r\n\r\n", BAD),
    "too many fields": (OK + b"A: b\r\n" * 101 + b"Content-Length: 0\r\n\r\n", BAD),
    "switching protocols": (b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", BAD),
    "switching protocols without a word": (b"HTTP/1.1 101 X\r\n\r\n", BAD),
    "interim answer with a body": (b"HTTP/1.1 103 X\r\nContent-Length: 4\r\n\r\nevil" + HI, BAD),
    "interim answer that closes": (b"HTTP/1.1 103 X\r\nConnection: close\r\n\r\n" + HI, BAD),
    "interim answers without an end": (b"HTTP/1.1 103 X\r\n\r\n" * 40 + b"nonsense", BAD),
    "interim answers and a good one": (b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n" + HI,
                                       Passed(body=b"hi", reused=True)),
    "NUL in the reason, which nobody passes on": (
        b"HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nhi", Passed(body=b"hi", reused=True)),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", Passed(body=b"hi", reused=True)),
    "empty lines before it": (b"\r\n\r\n" + HI, Passed(body=b"hi", reused=True)),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", Passed(body=b"hi")),
}  # fmt: skip

FRAMING: dict[str, tuple[bytes, Outcome]] = {
    "two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nhi", BAD),
    "the same length twice": (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", BAD),
    "length as a list": (OK + b"Content-Length: 2, 2\r\n\r\nhi", BAD),
    "length with a sign": (OK + b"Content-Length: +2\r\n\r\nhi", BAD),
    "negative length": (OK + b"Content-Length: -2\r\n\r\nhi", BAD),
    "hexadecimal length": (OK + b"Content-Length: 0x2\r\n\r\nhi", BAD),
    "empty length": (OK + b"Content-Length:\r\n\r\n", BAD),
    "length with a space inside": (OK + b"Content-Length: 1 2\r\n\r\nhi", BAD),
    "length beyond 64 bits": (OK + b"Content-Length: 18446744073709551618\r\n\r\nhi", BAD),
    "length and chunked": (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + END, BAD),
    "chunked and length": (OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n" + END, BAD),
    "chunked twice": (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + END, BAD),
    "chunked, chunked": (OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END, BAD),
    "gzip": (OK + b"Transfer-Encoding: gzip\r\n\r\nhi", BAD),
    "gzip, chunked": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END, BAD),
    "chunked, identity": (OK + b"Transfer-Encoding: chunked, identity\r\n\r\n" + END, BAD),
    "quoted chunked": (OK + b'Transfer-Encoding: "chunked"\r\n\r\n' + END, BAD),
    "empty coding": (OK + b"Transfer-Encoding:\r\n\r\nhi", BAD),
    "chunked in HTTP/1.0": (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + END, BAD),
    "size that is none": (CHUNKED + b"zz\r\nhi\r\n" + END, CutOff()),
    "size with 0x": (CHUNKED + b"0x2\r\nhi\r\n" + END, CutOff()),
    "size with a sign": (CHUNKED + b"+2\r\nhi\r\n" + END, CutOff()),
    "size before a space": (CHUNKED + b"2 \r\nhi\r\n" + END, CutOff(body=b"hi")),
    "size beyond 64 bits": (CHUNKED + b"10000000000000002\r\nhi\r\n" + END, CutOff()),
    "size line ends in LF": (CHUNKED + b"2\nhi\r\n" + END, CutOff(body=b"hi")),
    "chunk longer than its size": (CHUNKED + b"2\r\nhi!\r\n" + END, CutOff(body=b"hi")),
    "chunk that ends in LF": (CHUNKED + b"2\r\nhi\n" + END, CutOff(body=b"hi")),
    "CR in an extension": (CHUNKED + b"2;a\rb\r\nhi\r\n" + END, CutOff(body=b"hi")),
    "NUL in an extension": (CHUNKED + b"2;a\0\r\nhi\r\n" + END, CutOff(body=b"hi")),
    "trailer that is none": (CHUNKED + b"2\r\nhi\r\n0\r\nno colon\r\n\r\n", CutOff(body=b"hi")),
    "trailer folded": (CHUNKED + b"2\r\nhi\r\n0\r\nA: b\r\n c\r\n\r\n", CutOff(body=b"hi")),
    "trailers": (CHUNKED + b"2\r\nhi\r\n0\r\nSet-Cookie: a=b\r\n\r\n", Passed(body=b"hi", reused=True)),
    "trailers with a length": (CHUNKED + b"2\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n", CutOff(body=b"hi")),
    "extensions": (CHUNKED + b'2;a="b";c\r\nhi\r\n0;d\r\n\r\n', Passed(body=b"hi", reused=True)),
    "more than the length": (HI + b"!", Passed(body=b"hi")),
    "an answer behind the answer": (HI + EVIL, Passed(body=b"hi")),
    "an answer behind the last chunk": (CHUNKED + b"2\r\nhi\r\n" + END + EVIL, Passed(body=b"hi")),
    "a body for 204": (b"HTTP/1.1 204 X\r\nContent-Length: 4\r\n\r\nevil", Passed(204)),
    "a chunked body for 204": (b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n" + END, Passed(204)),
    "a body for 304": (b"HTTP/1.1 304 X\r\nContent-Length: 4\r\n\r\nevil", Passed(304)),
    "an answer for a body of 304": (b"HTTP/1.1 304 X\r\nContent-Length: 38\r\n\r\n" + EVIL, Passed(304)),
    "closing without closing": (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", Passed(body=b"hi")),
    "fields of one connection": (
        OK + b"Connection: A, keep-alive\r\nA: b\r\nKeep-Alive: 1\r\nTE: x\r\nContent-Length: 2\r\n\r\nhi",
        Passed(body=b"hi", reused=True)),
}  # fmt: skip

TO_HEAD: dict[str, tuple[bytes, Outcome]] = {
    "a body for HEAD": (HI, Passed()),
    "an answer for a body of HEAD": (OK + b"Content-Length: 38\r\n\r\n" + EVIL, Passed()),
    "a chunked body for HEAD": (CHUNKED + b"2\r\nhi\r\n" + END, Passed()),
    "half a body for HEAD": (OK + b"Content-Length: 2\r\n\r\nh", Passed()),
}

ENDINGS: dict[str, tuple[bytes, Outcome, Ending]] = {
    "closed without a word": (b"", BAD, Ending.CLOSE),
    "reset without a word": (b"", BAD, Ending.RESET),
    "closed in the head": (OK + b"Content-", BAD, Ending.CLOSE),
    "reset in the head": (OK + b"Content-", BAD, Ending.RESET),
    "closed after an interim answer": (b"HTTP/1.1 100 X\r\n\r\n", BAD, Ending.CLOSE),
    "closed before the length is reached": (OK + b"Content-Length: 9\r\n\r\nhi", CutOff(body=b"hi"), Ending.CLOSE),
    "reset before the length is reached": (OK + b"Content-Length: 9\r\n\r\nhi", CutOff(body=b"hi"), Ending.RESET),
    "closed before the last chunk": (CHUNKED + b"2\r\nhi\r\n", CutOff(body=b"hi"), Ending.CLOSE),
    "closed inside a chunk": (CHUNKED + b"9\r\nhi", CutOff(body=b"hi"), Ending.CLOSE),
    "closed inside the trailers": (CHUNKED + b"2\r\nhi\r\n0\r\nA: b\r\n", CutOff(body=b"hi"), Ending.CLOSE),
    "closed before the last line": (CHUNKED + b"2\r\nhi\r\n0\r\n", CutOff(body=b"hi"), Ending.CLOSE),
    "reset before the last chunk": (CHUNKED + b"2\r\nhi\r\n", CutOff(body=b"hi"), Ending.RESET),
    "reset of a body until the end": (OK + b"\r\nhi", CutOff(body=b"hi"), Ending.RESET),
    "closed after a body until the end": (OK + b"\r\nhi", Passed(body=b"hi"), Ending.CLOSE),
    "closed after the answer": (HI, Passed(body=b"hi"), Ending.CLOSE),
    "reset after the answer": (HI, Passed(body=b"hi"), Ending.RESET),
}  # fmt: skip

HOSTILE = [
    *(HostileAnswer(name, raw, outcome) for table in (HEADS, FRAMING) for name, (raw, outcome) in table.items()),
    *(HostileAnswer(name, raw, outcome, method="HEAD") for name, (raw, outcome) in TO_HEAD.items()),
    *(HostileAnswer(name, raw, outcome, ending) for name, (raw, outcome, ending) in ENDINGS.items()),
]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def examiner() -> AsyncIterator[Examiner]:
    async with (
        LyingService().listening() as service,
        open_gateway({"things": service.port}, ROUTES, log_level="error") as gateway,
    ):
        yield Examiner(gateway.port, service)


@pytest.mark.parametrize("answer", HOSTILE, ids=str)
async def test_whatever_a_service_answers_hurts_nobody_else(examiner: Examiner, answer: HostileAnswer) -> None:
    await examiner.examine(answer, ways(answer.raw, behind_in_two=False, at_most=MOST_CUTS))


@pytest.mark.faults
@pytest.mark.parametrize("answer", HOSTILE, ids=str)
async def test_whatever_a_service_answers_in_two_behind_a_good_answer_hurts_nobody_else(
    examiner: Examiner, answer: HostileAnswer
) -> None:
    await examiner.examine(answer, ways(answer.raw))
