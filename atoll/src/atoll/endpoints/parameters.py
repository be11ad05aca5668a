"""The kinds of parameter a handler can have, and how each is read from a request.

What a kind needs for reading is built when it is made, once for each handler.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from atoll import context, wire
from atoll.endpoints.annotations import Media, Requirement
from atoll.endpoints.null_character import refuse_null_in_json
from atoll.endpoints.repeated_names import repeated_names_refusal
from atoll.endpoints.request import Request
from atoll.endpoints.texts import QueryString, TextValue, split_query
from atoll.identity.authenticator import Authenticator
from atoll.identity.principal import Principal
from atoll.problems import BadRequest, InvalidFields, NotFound, Unauthenticated, UnsupportedMediaType

Read = Callable[[Request], Any]
ReadLater = Callable[[Request], Awaitable[Any]]

_NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})

REQUIRED: Any = msgspec.NODEFAULT
"""The default of a parameter that has none."""


@dataclass(frozen=True, slots=True)
class PathParameter:
    """One segment of the path; a text that is not of the type is a resource that is not there (404)."""

    name: str
    type: Any

    def reader(self) -> Read:
        name = self.name
        if self.type is str:
            return lambda request: request.path_params[name]
        value = TextValue[Any](self.type, name)

        def read(request: Request) -> Any:
            try:
                return value.read(request.path_params[name])
            except InvalidFields as error:
                raise nothing_at(request.path) from error

        return read


@dataclass(frozen=True, slots=True)
class HeaderParameter:
    """One header of the request."""

    name: str
    header: str
    type: Any
    default: Any

    def reader(self) -> Read:
        key = self.header.lower().encode("latin-1")
        value = TextValue[Any](self.type, self.header)

        def read(request: Request) -> Any:
            found = request.header_bytes.get(key)
            if found is None:
                return self._absent()
            return value.read(found.decode("latin-1"))

        return read

    def _absent(self) -> Any:
        if self.default is REQUIRED:
            raise InvalidFields.at(self.header, f"The header {self.header} is missing.")
        return self.default


@dataclass(frozen=True, slots=True)
class QueryParameters:
    """The whole query, read as `struct`; given to the handler as one (`name`), or field by field (`names`)."""

    struct: type[msgspec.Struct]
    name: str | None = None
    names: Mapping[str, str] | None = None

    def reader(self) -> Callable[[Request], Mapping[str, Any]]:
        """Reads the arguments of the handler that come from the query."""
        query = QueryString(self.struct)
        if self.name is not None:
            whole = self.name
            return lambda request: {whole: query.read(request.scope["query_string"])}
        names = tuple((self.names or {}).items())

        def read(request: Request) -> Mapping[str, Any]:
            values = query.read(request.scope["query_string"])
            return {name: getattr(values, field) for name, field in names}

        return read


def refuse_any_query(request: Request) -> Mapping[str, Any]:
    """For handlers without query parameters: one that is given all the same is a mistake, as any unknown field."""
    query: bytes = request.scope["query_string"]
    for name, _ in split_query(query) if query else ():
        raise InvalidFields.at(name, f"There is no query parameter {name} here.")
    return _NO_ARGUMENTS


@dataclass(frozen=True, slots=True)
class RequestParameter:
    """The request itself; with a body of these media types, when they are given."""

    name: str
    media: Media | None = None

    def reader(self) -> Read:
        media = self.media
        if media is None:
            return lambda request: request

        def read(request: Request) -> Request:
            _refuse_other_media(request.header_bytes, media)
            return request

        return read


def _refuse_other_media(headers: Mapping[bytes, bytes], media: Media) -> None:
    _refuse_compressed(headers)
    content_type = headers.get(b"content-type", b"").decode("latin-1").lower()
    media_type, _, parameters = content_type.partition(";")
    wanted = " or ".join(media.types)
    if media_type.strip() not in media.types:
        raise UnsupportedMediaType(f"{content_type or 'A body without a Content-Type'} is not taken; send {wanted}.")
    charset = _charset(parameters)
    if charset and charset not in media.charsets:
        known = " or ".join(media.charsets)
        raise UnsupportedMediaType(f"The charset {charset} is not taken; send {wanted} in {known}.")


@dataclass(frozen=True, slots=True)
class CallerParameter:
    """Who calls: verified, and everything that the handler requires of them."""

    name: str
    requirements: tuple[Requirement, ...]
    optional: bool

    def reader(self, authenticator: Authenticator) -> ReadLater:
        async def read(request: Request) -> Principal | None:
            authorization = request.header_bytes.get(b"authorization")
            if authorization is None:
                self._refuse_nobody()
                return None
            caller = await authenticator.authenticate(authorization.decode("latin-1"))
            for requirement in self.requirements:
                requirement.check(caller)
            _remember(caller)
            return caller

        return read

    def _refuse_nobody(self) -> None:
        if not self.optional:
            raise Unauthenticated


def _remember(caller: Principal) -> None:
    request = context.current.get()
    if request is not None:
        request.principal = caller


@dataclass(frozen=True, slots=True)
class BodyParameter:
    """The body, as JSON; an empty one is the default when there is one."""

    name: str
    type: Any
    default: Any

    def reader(self) -> ReadLater:
        decode = wire.decoder(self.type).decode
        refuse_repeated_names = repeated_names_refusal(self.type)
        default = self.default

        async def read(request: Request) -> Any:
            headers = request.header_bytes
            media_type = headers.get(b"content-type", b"")
            if media_type != b"application/json" or b"content-encoding" in headers:
                _refuse_other_content(headers)
            body = await request.body()
            if body:
                value = decode(body)
                refuse_null_in_json(body)
                refuse_repeated_names(body, value)
                return value
            if default is REQUIRED:
                raise BadRequest("The body is empty; JSON is needed.")
            return default

        return read


def _refuse_other_content(headers: Mapping[bytes, bytes]) -> None:
    _refuse_compressed(headers)
    media_type = headers.get(b"content-type")
    if media_type is None:
        if _has_body(headers):
            raise UnsupportedMediaType("The body has no Content-Type; application/json is needed.")
    elif not is_json(media_type):
        raise UnsupportedMediaType(f"{media_type.decode('latin-1')} is not understood; send application/json.")


def _refuse_compressed(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType("The body must not be compressed.", headers={"Accept-Encoding": "identity"})


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


@lru_cache(maxsize=64)
def is_json(content_type: bytes) -> bool:
    """Whether a Content-Type is that of JSON in UTF-8: `application/json`, or `…+json` of RFC 6839."""
    media_type, _, parameters = content_type.decode("latin-1").lower().partition(";")
    kind, _, subtype = media_type.strip().partition("/")
    return (
        kind == "application"
        and (subtype == "json" or subtype.endswith("+json"))
        and _charset(parameters) in ("", "utf-8", "utf8")
    )


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return value.strip().strip('"')
    return ""


def nothing_at(path: str) -> NotFound:
    """For paths that lead nowhere, and for ids that cannot exist."""
    return NotFound(f"There is nothing at {path}.")
