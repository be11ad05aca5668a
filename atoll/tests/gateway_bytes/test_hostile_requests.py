"""What clients may send to hurt us or the services behind us, and what comes of each: refused, or written anew."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from atoll.gateway.settings import RouteSettings
from atoll.http1.request_head import HeadLimits
from atoll.http1.server_limits import ServerLimits
from atoll.testing.cuts import ways
from atoll.testing.gateways import open_gateway
from atoll.testing.hostile_requests import Answered, Forwarded, HostileRequest, Outcome, Refused, Thrower
from atoll.testing.request_recorder import RequestRecorder

ROUTES = (
    RouteSettings(path="/things", to="things", access="public", methods=("GET", "POST", "DELETE", "OPTIONS")),
    RouteSettings(path="/things/mine", to="things", access="user"),
    RouteSettings(path="/things/small", to="things", access="public", body_limit=4),
    RouteSettings(path="/things/{id}", to="things", access="public"),
)
LIMITS = ServerLimits(head=HeadLimits(line=200, head=500, fields=12))

LINE = b"GET /api/things HTTP/1.1\r\n"
G = LINE + b"Host: x\r\n"
P = b"POST /api/things HTTP/1.1\r\nHost: x\r\n"
C = P + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
CODED = b"transfer-encoding: chunked"

NO = Refused(400)

MOST_CUTS = 300
"""Bytes that are all cut between in the short form; of what is longer only so many places are tried."""


def to(target: bytes, *, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    return b"%b %b %b\r\nHost: x\r\n\r\n" % (method, target, version)


def posted(*fields: bytes, body: bytes = b"", host: bytes = b"x", closes: bool = False) -> Forwarded:
    return Forwarded(b"POST /things", fields, body, host, closes)


def got(*fields: bytes, target: bytes = b"/things", host: bytes = b"x", closes: bool = False) -> Forwarded:
    return Forwarded(b"GET " + target, fields, b"", host, closes)


LINES_AND_WHITE_SPACE: dict[str, tuple[bytes, Outcome]] = {
    "LF after the request line": (b"GET /api/things HTTP/1.1\nHost: x\r\n\r\n", NO),
    "LF after a field": (LINE + b"Host: x\nA: b\r\n\r\n", NO),
    "LF everywhere": (b"GET /api/things HTTP/1.1\nHost: x\n\n", NO),
    "LF before the last line": (LINE + b"Host: x\r\n\n", NO),
    "LF CR": (LINE + b"Host: x\n\r\n\r", NO),
    "CR alone after the request line": (b"GET /api/things HTTP/1.1\rHost: x\r\n\r\n", NO),
    "CR alone after a field": (LINE + b"Host: x\rA: b\r\n\r\n", NO),
    "CR in a value": (G + b"A: b\rc\r\n\r\n", NO),
    "CR in a name": (G + b"A\rB: c\r\n\r\n", NO),
    "CR CR LF": (G + b"A: b\r\r\n\r\n", NO),
    "CR before the empty line": (G + b"\r\r\n\r\n", NO),
    "LF before everything": (b"\n" + G + b"\r\n", NO),
    "CR before everything": (b"\r" + G + b"\r\n", NO),
    "empty lines before everything": (b"\r\n\r\n" + G + b"\r\n", got()),
    "NUL in the request line": (b"GET /api/things\0 HTTP/1.1\r\nHost: x\r\n\r\n", NO),
    "NUL in a name": (G + b"A\0B: c\r\n\r\n", NO),
    "NUL in a value": (G + b"A: b\0c\r\n\r\n", NO),
    "NUL before everything": (b"\0" + G + b"\r\n", NO),
    "control byte in a value": (G + b"A: b\x01c\r\n\r\n", NO),
    "vertical tab in a value": (G + b"A: b\x0bc\r\n\r\n", NO),
    "form feed at a value's end": (G + b"A: b\x0c\r\n\r\n", NO),
    "DEL in a value": (G + b"A: b\x7fc\r\n\r\n", NO),
    "escape in a value": (G + b"A: \x1b[31m\r\n\r\n", NO),
    "folded field": (G + b"A: b\r\n c\r\n\r\n", NO),
    "field folded with a tab": (G + b"A: b\r\n\tc\r\n\r\n", NO),
    "first field folded": (LINE + b" Host: x\r\n\r\n", NO),
    "last field folded into nothing": (G + b"A: b\r\n \r\n\r\n", NO),
    "folded length": (P + b"Content-Length:\r\n 1\r\n\r\na", NO),
    "space before the colon": (G + b"A : b\r\n\r\n", NO),
    "tab before the colon": (G + b"A\t: b\r\n\r\n", NO),
    "space before the colon of a length": (P + b"Content-Length : 1\r\n\r\na", NO),
    "space before the colon of a coding": (P + b"Transfer-Encoding : chunked\r\n\r\n" + END, NO),
    "space before a name": (G + b" A: b\r\n\r\n", NO),
    "space in a name": (G + b"A b: c\r\n\r\n", NO),
    "no name": (G + b": b\r\n\r\n", NO),
    "no colon": (G + b"Ab\r\n\r\n", NO),
    "bracket in a name": (G + b"A(: b\r\n\r\n", NO),
    "at sign in a name": (G + b"A@b: c\r\n\r\n", NO),
    "quotes in a name": (G + b'"A": b\r\n\r\n', NO),
    "slash in a name": (G + b"A/b: c\r\n\r\n", NO),
    "high byte in a name": (G + b"\xe4: b\r\n\r\n", NO),
    "UTF-8 in a name": (G + "Größe: b\r\n\r\n".encode(), NO),
    "Cyrillic letter in the name of a length": (P + b"\xd0\xa1ontent-Length: 1\r\n\r\na", NO),
    "byte order mark": (b"\xef\xbb\xbf" + G + b"\r\n", NO),
    "white space around a value": (G + b"A: \t b c \t \r\n\r\n", got(b"a: b c")),
    "no space after the colon": (G + b"A:b\r\n\r\n", got(b"a: b")),
    "empty value": (G + b"A:\r\n\r\n", got(b"a: ")),
    "tab inside a value": (G + b"A: b\tc\r\n\r\n", got(b"a: b\tc")),
    "colon inside a value": (G + b"A: b: c\r\n\r\n", got(b"a: b: c")),
    "high bytes in a value": (G + b"A: \xff\xfe\x80\r\n\r\n", got(b"a: \xff\xfe\x80")),
    "UTF-8 in a value": (G + "A: größer\r\n\r\n".encode(), got("a: größer".encode())),
    "every odd byte that a name may have": (G + b"!#$%&'*+-.^`|~9: b\r\n\r\n", got(b"!#$%&'*+-.^`|~9: b")),
    "the same field twice": (G + b"A: b\r\na: c\r\n\r\n", got(b"a: b, c")),
    "cookies in two fields": (G + b"Cookie: a=1\r\nCookie: b=2\r\n\r\n", got(b"cookie: a=1; b=2")),
}  # fmt: skip

REQUEST_LINES: dict[str, tuple[bytes, Outcome]] = {
    "two spaces after the method": (to(b" /api/things"), NO),
    "two spaces before the version": (to(b"/api/things "), NO),
    "tabs for spaces": (b"GET\t/api/things\tHTTP/1.1\r\nHost: x\r\n\r\n", NO),
    "space after the version": (to(b"/api/things", version=b"HTTP/1.1 "), NO),
    "space before the method": (b" " + G + b"\r\n", NO),
    "space in the target": (to(b"/api/things HTTP/1.1 x"), NO),
    "no version, as in HTTP/0.9": (b"GET /api/things\r\n\r\n", NO),
    "no target": (b"GET HTTP/1.1\r\nHost: x\r\n\r\n", NO),
    "no method": (b"/api/things HTTP/1.1\r\nHost: x\r\n\r\n", NO),
    "nothing but a line's end and a field": (b"\r\nHost: x\r\n\r\n", NO),
    "version 0.9": (to(b"/api/things", version=b"HTTP/0.9"), Refused(505)),
    "version 1.2": (to(b"/api/things", version=b"HTTP/1.2"), Refused(505)),
    "version 2.0": (to(b"/api/things", version=b"HTTP/2.0"), Refused(505)),
    "version 3.0": (to(b"/api/things", version=b"HTTP/3.0"), Refused(505)),
    "version 1.10": (to(b"/api/things", version=b"HTTP/1.10"), NO),
    "version 01.1": (to(b"/api/things", version=b"HTTP/01.1"), NO),
    "version 1": (to(b"/api/things", version=b"HTTP/1"), NO),
    "version in small letters": (to(b"/api/things", version=b"http/1.1"), NO),
    "version of another protocol": (to(b"/api/things", version=b"RTSP/1.0"), NO),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
    "beginning of TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", NO),
    "PROXY protocol": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + G + b"\r\n", NO),
    "method in small letters": (to(b"/api/things", method=b"get"), NO),
    "method in mixed letters": (to(b"/api/things", method=b"Get"), NO),
    "method nobody knows": (to(b"/api/things", method=b"BREW"), Refused(501)),
    "method of WebDAV": (to(b"/api/things", method=b"PROPFIND"), Refused(501)),
    "method with a longer known one in it": (to(b"/api/things", method=b"GETS"), Refused(501)),
    "method with odd letters": (to(b"/api/things", method=b"G$T"), NO),
    "TRACE": (to(b"/api/things", method=b"TRACE"), Refused(501)),
    "CONNECT to an authority": (b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", Refused(501)),
    "CONNECT to a path": (to(b"/api/things", method=b"CONNECT"), Refused(501)),
    "method that the route has not": (to(b"/api/things", method=b"PATCH"), Answered(405)),
    "another server's reply": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NO),
    "HTTP/1.0": (b"GET /api/things HTTP/1.0\r\n\r\n", got(host=b"", closes=True)),
    "HTTP/1.0 that stays": (b"GET /api/things HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", got()),
    "HTTP/1.0 with a chunked body": (
        b"POST /api/things HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + END, NO),
    "HTTP/1.0 with a length": (
        b"POST /api/things HTTP/1.0\r\nHost: x\r\nContent-Length: 1\r\n\r\na",
        posted(b"content-length: 1", body=b"a", closes=True)),
}  # fmt: skip

TARGETS: dict[str, tuple[bytes, Outcome]] = {
    "absolute target": (to(b"http://x/api/things"), got()),
    "absolute target in capitals": (b"GET HTTP://X/api/things HTTP/1.1\r\nHost: x\r\n\r\n", got()),
    "absolute target of another host": (to(b"http://y/api/things"), NO),
    "absolute target with a port that Host has not": (to(b"http://x:80/api/things"), NO),
    "absolute target with a user": (to(b"http://u@x/api/things"), NO),
    "absolute target of another scheme": (to(b"ftp://x/api/things"), NO),
    "absolute target of https": (to(b"https://x/api/things"), NO),
    "absolute target without a host": (to(b"http:///api/things"), NO),
    "absolute target without a path": (to(b"http://x"), Answered(404)),
    "absolute target with a query and no path": (to(b"http://x?/api/things"), Answered(404)),
    "absolute target without Host": (b"GET http://x/api/things HTTP/1.1\r\n\r\n", NO),
    "authority for a GET": (to(b"x:80"), NO),
    "star for a GET": (to(b"*"), NO),
    "star for OPTIONS": (to(b"*", method=b"OPTIONS"), Answered(404)),
    "target without a slash": (to(b"api/things"), NO),
    "target with a fragment": (to(b"/api/things#there"), NO),
    "target with a high byte": (to(b"/api/things/\xe4"), NO),
    "target with a control byte": (to(b"/api/things/\x01"), NO),
    "target with DEL": (to(b"/api/things/\x7f"), NO),
    "two slashes in front": (to(b"//api/things"), NO),
    "two slashes inside": (to(b"/api//things"), NO),
    "two slashes that look like an authority": (to(b"//x/api/things"), NO),
    "dot segment": (to(b"/api/./things"), NO),
    "two dots": (to(b"/api/things/../things/mine"), NO),
    "two dots at the end": (to(b"/api/things/.."), NO),
    "two encoded dots": (to(b"/api/things/%2e%2e/things/mine"), NO),
    "a dot and an encoded one": (to(b"/api/things/.%2E/mine"), NO),
    "two dots with a parameter": (to(b"/api/things/..;a=b/mine"), NO),
    "encoded slash": (to(b"/api/things%2fmine"), NO),
    "encoded backslash": (to(b"/api/things%5Cmine"), NO),
    "backslash": (to(b"/api/things\\mine"), NO),
    "encoded NUL": (to(b"/api/things/a%00"), NO),
    "encoded line end": (to(b"/api/things/a%0d%0aX-User-Id:%201"), NO),
    "percent without digits": (to(b"/api/things/%zz"), NO),
    "percent with one digit": (to(b"/api/things/%4"), NO),
    "percent encoding of another kind": (to(b"/api/things/%u002e"), NO),
    "brackets in the path": (to(b"/api/things/<script>"), NO),
    "braces in the path": (to(b"/api/things/{id}"), NO),
    "letters that need no encoding": (to(b"/api/%74hings/%41%7e%2D"), got(target=b"/things/A~-")),
    "a rule for one path written in another way": (to(b"/api/things/%6dine"), Answered(401)),
    "encoded in two letter cases": (to(b"/api/things/%c3%A4"), got(target=b"/things/%C3%A4")),
    "encoded percent": (to(b"/api/things/%252e%252e"), got(target=b"/things/%252e%252e")),
    "encoded space": (to(b"/api/things/a%20b"), got(target=b"/things/a%20b")),
    "parameter of a segment": (to(b"/api/things/mine;a=b"), got(target=b"/things/mine;a=b")),
    "version of the API twice": (to(b"/api/v1/v1/things"), Answered(404)),
    "version of the API": (to(b"/api/v1/things"), got()),
    "prefix in capitals": (to(b"/API/things"), Answered(404)),
    "path in capitals": (to(b"/api/THINGS"), Answered(404)),
    "slash at the end": (to(b"/api/things/"), Answered(404)),
    "query with anything": (to(b"/api/things?a=/../%2e&b=http://y\\?c"), got(target=b"/things?a=/../%2e&b=http://y\\?c")),
    "empty query": (to(b"/api/things?"), got(target=b"/things?")),
    "a service's own page": (to(b"/metrics"), Answered(404)),
    "a service's own page below the prefix": (to(b"/api/metrics"), Answered(404)),
    "no Host": (LINE + b"\r\n", NO),
    "two Hosts": (G + b"Host: y\r\n\r\n", NO),
    "the same Host twice": (G + b"host: x\r\n\r\n", NO),
    "empty Host": (LINE + b"Host:\r\n\r\n", NO),
    "Host with a path": (LINE + b"Host: x/y\r\n\r\n", NO),
    "Host with a user": (LINE + b"Host: u@x\r\n\r\n", NO),
    "Host with a scheme": (LINE + b"Host: http://x\r\n\r\n", NO),
    "Host as a list": (LINE + b"Host: x, y\r\n\r\n", NO),
    "Host with a space": (LINE + b"Host: x y\r\n\r\n", NO),
    "Host with a query": (LINE + b"Host: x?y\r\n\r\n", NO),
    "Host with letters for a port": (LINE + b"Host: x:1a\r\n\r\n", NO),
    "Host with a port that cannot be": (LINE + b"Host: x:65536\r\n\r\n", NO),
    "Host with an empty port": (LINE + b"Host: x:\r\n\r\n", NO),
    "Host with an address that cannot be": (LINE + b"Host: [::1::2]\r\n\r\n", NO),
    "Host with half a bracket": (LINE + b"Host: [::1\r\n\r\n", NO),
    "Host with a high byte": (LINE + b"Host: \xe4\r\n\r\n", NO),
    "Host with an encoded byte": (LINE + b"Host: x%2ey\r\n\r\n", NO),
    "Host folded": (LINE + b"Host:\r\n x\r\n\r\n", NO),
    "Host of IPv6": (LINE + b"Host: [::1]:3000\r\n\r\n", got(host=b"[::1]:3000")),
    "Host in capitals": (LINE + b"HOST: Shop.Example:80\r\n\r\n", got(host=b"Shop.Example:80")),
}  # fmt: skip

FRAMING: dict[str, tuple[bytes, Outcome]] = {
    "length and chunked": (P + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + END, NO),
    "chunked and length": (P + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + END, NO),
    "no length and chunked": (P + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + END, NO),
    "length and a coding nobody knows": (P + b"Content-Length: 1\r\nTransfer-Encoding: x\r\n\r\na", NO),
    "two lengths": (P + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", NO),
    "the same length twice": (P + b"Content-Length: 1\r\ncontent-length: 1\r\n\r\na", NO),
    "length as a list": (P + b"Content-Length: 1, 1\r\n\r\na", NO),
    "length with a sign": (P + b"Content-Length: +1\r\n\r\na", NO),
    "negative length": (P + b"Content-Length: -1\r\n\r\na", NO),
    "empty length": (P + b"Content-Length:\r\n\r\n", NO),
    "length in hexadecimal digits": (P + b"Content-Length: 0x1\r\n\r\na", NO),
    "length in octal digits": (P + b"Content-Length: 0o1\r\n\r\na", NO),
    "length with an underscore": (P + b"Content-Length: 1_0\r\n\r\n0123456789", NO),
    "length with a point": (P + b"Content-Length: 1.0\r\n\r\na", NO),
    "length with an exponent": (P + b"Content-Length: 1e1\r\n\r\n0123456789", NO),
    "length in other digits": (P + b"Content-Length: \xb2\r\n\r\nab", NO),
    "length in Arabic digits": (P + b"Content-Length: \xd9\xa1\r\n\r\na", NO),
    "length with a space inside": (P + b"Content-Length: 1 1\r\n\r\na", NO),
    "length with more behind": (P + b"Content-Length: 1;a\r\n\r\na", NO),
    "quoted length": (P + b'Content-Length: "1"\r\n\r\na', NO),
    "length beyond 64 bits": (P + b"Content-Length: 18446744073709551617\r\n\r\na", NO),
    "length that wraps to one": (P + b"Content-Length: 4294967297\r\n\r\na", Refused(413)),
    "length with zeros in front": (P + b"Content-Length: 0001\r\n\r\na", posted(b"content-length: 1", body=b"a")),
    "length named in Connection": (
        P + b"Connection: Content-Length\r\nContent-Length: 1\r\n\r\na", posted(b"content-length: 1", body=b"a")),
    "coding named in Connection": (
        P + b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n" + END,
        posted(CODED, body=b"a")),
    "chunked twice": (P + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + END, NO),
    "chunked, chunked": (P + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + END, NO),
    "gzip, chunked": (P + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END, NO),
    "chunked, gzip": (P + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + END, NO),
    "chunked and identity": (P + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + END, NO),
    "gzip alone": (P + b"Transfer-Encoding: gzip\r\n\r\n", NO),
    "identity": (P + b"Transfer-Encoding: identity\r\n\r\n", NO),
    "xchunked": (P + b"Transfer-Encoding: xchunked\r\n\r\n" + END, NO),
    "chunkedx": (P + b"Transfer-Encoding: chunkedx\r\n\r\n" + END, NO),
    "chunke": (P + b"Transfer-Encoding: chunke\r\n\r\n" + END, NO),
    "quoted chunked": (P + b'Transfer-Encoding: "chunked"\r\n\r\n' + END, NO),
    "empty coding": (P + b"Transfer-Encoding:\r\n\r\n" + END, NO),
    "empty coding before chunked": (P + b"Transfer-Encoding: , chunked\r\n\r\n" + END, NO),
    "chunked with a comma": (P + b"Transfer-Encoding: chunked,\r\n\r\n" + END, NO),
    "chunked after a vertical tab": (P + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + END, NO),
    "chunked after a high byte": (P + b"Transfer-Encoding: \xa0chunked\r\n\r\n" + END, NO),
    "chunked with a parameter": (P + b"Transfer-Encoding: chunked;q=1\r\n\r\n" + END, NO),
    "chunked with a NUL": (P + b"Transfer-Encoding: chunked\0\r\n\r\n" + END, NO),
    "chunked folded": (P + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + END, NO),
    "chunked by an underscore": (P + b"Transfer_Encoding: chunked\r\n\r\n", posted(b"content-length: 0")),
    "length by an underscore": (P + b"Content_Length: 5\r\n\r\n", posted(b"content-length: 0")),
    "chunked in capitals": (P + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n1\r\na\r\n" + END, posted(CODED, body=b"a")),
    "chunked after a tab": (P + b"Transfer-Encoding:\tchunked \r\n\r\n1\r\na\r\n" + END, posted(CODED, body=b"a")),
    "size missing": (C + b"\r\na\r\n" + END, NO),
    "size with a sign": (C + b"+1\r\na\r\n" + END, NO),
    "negative size": (C + b"-1\r\na\r\n" + END, NO),
    "size with 0x": (C + b"0x1\r\na\r\n" + END, NO),
    "size with h": (C + b"1h\r\na\r\n" + END, NO),
    "size before a space": (C + b"1 \r\na\r\n" + END, NO),
    "size before a tab": (C + b"1\t\r\na\r\n" + END, NO),
    "size after a space": (C + b" 1\r\na\r\n" + END, NO),
    "size before a space and an extension": (C + b"1 ;a\r\na\r\n" + END, NO),
    "size with an underscore": (C + b"1_0\r\n0123456789abcdef\r\n" + END, NO),
    "size beyond 64 bits": (C + b"10000000000000001\r\na\r\n" + END, NO),
    "size of 64 bits": (C + b"ffffffffffffffff\r\na\r\n" + END, NO),
    "size beyond the limit": (C + b"fffffffffffffff\r\na\r\n" + END, Refused(413)),
    "size with a point": (C + b"1.0\r\na\r\n" + END, NO),
    "size in other digits": (C + b"\xb2\r\nab\r\n" + END, NO),
    "size line ends in LF": (C + b"1\na\r\n" + END, NO),
    "size line ends in CR": (C + b"1\ra\r\n" + END, NO),
    "size line ends in CR CR LF": (C + b"1\r\r\na\r\n" + END, NO),
    "LF in an extension": (C + b"1;a\nb\r\na\r\n" + END, NO),
    "CR in an extension": (C + b"1;a\rb\r\na\r\n" + END, NO),
    "NUL in an extension": (C + b"1;a\0\r\na\r\n" + END, NO),
    "LF in a quoted extension": (C + b'1;a="\n"\r\na\r\n' + END, NO),
    "chunk longer than its size": (C + b"1\r\nab\r\n" + END, NO),
    "chunk shorter than its size": (C + b"3\r\na\r\n" + END, NO),
    "chunk that ends in LF": (C + b"1\r\na\n" + END, NO),
    "chunk that ends in CR": (C + b"1\r\na\r" + END, NO),
    "chunk that ends in nothing": (C + b"1\r\na" + END, NO),
    "chunk that ends in two line ends": (C + b"1\r\na\r\n\r\n" + END, NO),
    "last chunk ends in LF": (C + b"1\r\na\r\n0\n\r\n", NO),
    "body ends in LF": (C + b"1\r\na\r\n0\r\n\n", NO),
    "last chunk with a sign": (C + b"1\r\na\r\n-0\r\n\r\n", NO),
    "trailer without a colon": (C + b"0\r\na\r\n\r\n", NO),
    "trailer with a space in its name": (C + b"0\r\na b: c\r\n\r\n", NO),
    "trailer with a space before the colon": (C + b"0\r\na : c\r\n\r\n", NO),
    "trailer folded": (C + b"0\r\na: b\r\n c\r\n\r\n", NO),
    "trailer ends in LF": (C + b"0\r\na: b\n\r\n", NO),
    "trailer with a NUL": (C + b"0\r\na: \0\r\n\r\n", NO),
    "request in place of a trailer": (C + b"0\r\nGET /api/things?smuggled HTTP/1.1\r\n\r\n", NO),
    "extension": (C + b'1;a="b;c";d\r\na\r\n0;e\r\n\r\n', posted(CODED, body=b"a")),
    "size with zeros in front": (C + b"00001\r\na\r\n000\r\n\r\n", posted(CODED, body=b"a")),
    "size in capitals": (C + b"A\r\n0123456789\r\n" + END, posted(CODED, body=b"0123456789")),
    "body that looks like a last chunk": (C + b"5\r\n0\r\n\r\n\r\n" + END, posted(CODED, body=b"0\r\n\r\n")),
    "body that looks like a request": (
        P + b"Content-Length: 46\r\n\r\nGET /api/things?smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
        posted(b"content-length: 46", body=b"GET /api/things?smuggled HTTP/1.1\r\nHost: x\r\n\r\n")),
    "trailers": (C + b"1\r\na\r\n0\r\nContent-Length: 9\r\nX-User-Id: 1\r\n\r\n", posted(CODED, body=b"a")),
    "trailers that were announced": (
        P + b"Trailer: A\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", posted(CODED)),
    "no body at all": (P + b"\r\n", posted(b"content-length: 0")),
    "body of a GET": (
        G + b"Content-Length: 1\r\n\r\na", Forwarded(b"GET /things", (b"content-length: 1",), b"a")),
    "chunked body of a GET": (
        G + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n" + END, Forwarded(b"GET /things", (CODED,), b"a")),
    "body of a HEAD": (
        b"HEAD /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na",
        Forwarded(b"HEAD /things", (b"content-length: 1",), b"a")),
    "body of a DELETE": (
        b"DELETE /api/things HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na",
        Forwarded(b"DELETE /things", (b"content-length: 1",), b"a")),
    "length of nothing for a GET": (G + b"Content-Length: 0\r\n\r\n", got()),
    "body beyond the route's limit": (
        b"POST /api/things/small HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n01234", Answered(413)),
    "chunked body beyond the route's limit": (
        b"POST /api/things/small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n" + END,
        Refused(413)),
    "body beyond every limit": (P + b"Content-Length: 999999999999999999\r\n\r\na", Refused(413)),
}  # fmt: skip

FIELDS: dict[str, tuple[bytes, Outcome]] = {
    "forwarding fields": (
        G + b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n"
        b"X-Forwarded-Prefix: /y\r\nX-Forwarded: 1\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nVia: y\r\n\r\n",
        got()),
    "forwarding fields of other houses": (
        G + b"True-Client-IP: 6.6.6.6\r\nX-Client-IP: 6.6.6.6\r\nClient-IP: 6.6.6.6\r\nX-Cluster-Client-IP: 6.6.6.6\r\n"
        b"CF-Connecting-IP: 6.6.6.6\r\nFastly-Client-IP: 6.6.6.6\r\nX-Originating-IP: 6.6.6.6\r\nA: b\r\n\r\n",
        got(b"a: b")),
    "fields that name another request": (
        G + b"X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\n"
        b"X-HTTP-Method: DELETE\r\nX-Method-Override: DELETE\r\nX-Host: evil\r\nX-Original-Host: evil\r\n\r\n", got()),
    "identity": (
        G + b"X-User-Id: 1\r\nX-User-Roles: admin\r\nX-Role: admin\r\nX-Authenticated-User: 1\r\nRemote-User: 1\r\n"
        b"X-Auth-Request-User: 1\r\nX-Remote-User: 1\r\nX-Principal: 1\r\n\r\n", got()),
    "our own marks": (
        G + b"X-Request-Id: 1\r\nAtoll-Remaining-Ms: 9\r\nAtoll-Anything: 1\r\nBaggage: a=b\r\nTracestate: a=b\r\n\r\n",
        got()),
    "trace that is none": (G + b"Traceparent: nonsense\r\n\r\n", got()),
    "trace of zeros": (G + b"Traceparent: 00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01\r\n\r\n", got()),
    "two traces": (
        G + (b"Traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01\r\n") * 2 + b"\r\n", got()),
    "the proxy of CGI programs": (G + b"Proxy: http://evil\r\n\r\n", got()),
    "early data": (G + b"Early-Data: 1\r\n\r\n", got()),
    "underscores": (
        G + b"X_Forwarded_For: 6.6.6.6\r\nX-User_Id: 1\r\n_: 1\r\nContent_Type: a\r\nA-B: c\r\n\r\n", got(b"a-b: c")),
    "Connection names a field": (G + b"Connection: A\r\nA: b\r\nC: d\r\n\r\n", got(b"c: d")),
    "Connection names our fields": (
        G + b"Connection: X-Forwarded-For, X-Request-Id, Traceparent, Host, Atoll-Remaining-Ms\r\n\r\n", got()),
    "Connection names its own and close": (G + b"Connection: Connection, close, A\r\nA: b\r\n\r\n", got(closes=True)),
    "Connection twice": (G + b"Connection: A\r\nConnection: close\r\nA: b\r\n\r\n", got(closes=True)),
    "Connection with empty names": (G + b"Connection: ,, keep-alive ,\r\nA: b\r\n\r\n", got(b"a: b")),
    "Connection closes and keeps": (G + b"Connection: keep-alive, close\r\n\r\n", got(closes=True)),
    "fields of one connection": (
        G + b"Keep-Alive: 1\r\nProxy-Connection: close\r\nProxy-Authorization: a\r\nProxy-Authenticate: b\r\n"
        b"TE: gzip\r\n\r\n", got()),
    "websocket": (G + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
                  got(b"sec-websocket-version: 13")),
    "cleartext HTTP/2": (
        G + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", got()),
    "upgrade with a body": (
        P + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na",
        posted(b"content-length: 1", body=b"a")),
    "expectation nobody knows": (P + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", Refused(417)),
    "expectation with more": (P + b"Expect: 100-continue, x\r\nContent-Length: 1\r\n\r\na", Refused(417)),
    "expectation with a parameter": (P + b"Expect: 100-continue;a\r\nContent-Length: 1\r\n\r\na", Refused(417)),
    "empty expectation": (P + b"Expect:\r\nContent-Length: 1\r\n\r\na", Refused(417)),
    "expectation in capitals": (
        P + b"Expect: 100-CONTINUE\r\nContent-Length: 1\r\n\r\na", posted(b"content-length: 1", body=b"a")),
    "expectation without a body": (G + b"Expect: 100-continue\r\n\r\n", got()),
    "expectation in HTTP/1.0": (
        b"POST /api/things HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
        posted(b"content-length: 1", body=b"a", closes=True)),
    "two tokens": (
        b"GET /api/things/mine HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        Answered(401)),
    "token of high bytes": (
        b"GET /api/things/mine HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n", Answered(401)),
    "token of nothing": (b"GET /api/things/mine HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \r\n\r\n", Answered(401)),
    "token taken off by Connection": (
        b"GET /api/things/mine HTTP/1.1\r\nHost: x\r\nConnection: Authorization\r\nAuthorization: Bearer a\r\n\r\n",
        Answered(401)),
}  # fmt: skip

SIZES: dict[str, tuple[bytes, Outcome]] = {
    "line as long as it may be": (to(b"/api/things?" + b"a" * 172), got(target=b"/things?" + b"a" * 172)),
    "line one byte too long": (to(b"/api/things?" + b"a" * 175), Refused(414)),
    "line without an end": (b"GET /api/things?" + b"a" * 300, Refused(414)),
    "method without an end": (b"G" * 300, Refused(414)),
    "method too long": (b"G" * 300 + b" / HTTP/1.1\r\n\r\n", Refused(414)),
    "value too long": (G + b"A: " + b"a" * 600 + b"\r\n\r\n", Refused(431)),
    "name too long": (G + b"A" * 600 + b": a\r\n\r\n", Refused(431)),
    "field without an end": (G + b"A: " + b"a" * 600, Refused(431)),
    "fields as many as may be": (
        G + b"".join(b"A%d: b\r\n" % n for n in range(11)) + b"\r\n", got(*(b"a%d: b" % n for n in range(11)))),
    "one field too many": (G + b"".join(b"A%d: b\r\n" % n for n in range(12)) + b"\r\n", Refused(431)),
    "one field of one connection too many": (G + b"TE: b\r\n" * 12 + b"\r\n", Refused(431)),
    "fields without an end": (G + b"A: b\r\n" * 90, Refused(431)),
    "extension too long": (C + b"1;" + b"e" * 1100 + b"\r\na\r\n" + END, NO),
    "trailer too long": (C + b"0\r\nA: " + b"b" * 1100 + b"\r\n\r\n", NO),
    "cookies too long together": (G + (b"Cookie: a=" + b"1" * 40 + b"\r\n") * 11 + b"\r\n", Refused(431)),
}  # fmt: skip

HOSTILE = [
    HostileRequest(name, raw, outcome)
    for table in (LINES_AND_WHITE_SPACE, REQUEST_LINES, TARGETS, FRAMING, FIELDS, SIZES)
    for name, (raw, outcome) in table.items()
]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def thrower() -> AsyncIterator[Thrower]:
    async with RequestRecorder() as recorder, open_gateway({"things": recorder.port}, ROUTES, limits=LIMITS) as gateway:
        yield Thrower(gateway.port, recorder)


@pytest.mark.parametrize("request_", HOSTILE, ids=str)
async def test_whatever_comes_is_refused_or_written_anew(thrower: Thrower, request_: HostileRequest) -> None:
    await thrower.throw(request_, ways(request_.raw, behind_in_two=False, at_most=MOST_CUTS))


@pytest.mark.faults
@pytest.mark.parametrize("request_", HOSTILE, ids=str)
async def test_whatever_comes_in_two_at_every_byte_comes_to_the_same(
    thrower: Thrower, request_: HostileRequest
) -> None:
    await thrower.throw(request_, ways(request_.raw))
