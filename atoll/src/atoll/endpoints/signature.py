"""What a handler asks for, read from its annotations; a mistake in them is told when the service is built."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Protocol, TypeVar, Union, get_args, get_origin

import msgspec

from atoll import wire
from atoll.endpoints.annotations import Header, Media, Query
from atoll.endpoints.parameters import (
    REQUIRED,
    BodyParameter,
    CallerParameter,
    HeaderParameter,
    PathParameter,
    QueryParameters,
    RequestParameter,
)
from atoll.endpoints.request import Request
from atoll.endpoints.route import Route
from atoll.endpoints.texts import QueryString, is_text_type, text_struct
from atoll.identity.principal import Principal

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_METHODS_WITHOUT_BODY = frozenset({"GET", "DELETE"})
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@%-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+|/")
_PATH_NAME = re.compile(r"\{([^}]*)\}")


class _WithName(Protocol):
    @property
    def name(self) -> str | None: ...


N = TypeVar("N", bound=_WithName)


class HandlerMistake(TypeError):
    """A route or its handler cannot be served; the sentence names both and says what to write instead."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Everything one handler asks for, by kind, and what it answers with."""

    path: tuple[PathParameter, ...]
    headers: tuple[HeaderParameter, ...]
    query: QueryParameters | None
    request: RequestParameter | None
    caller: CallerParameter | None
    body: BodyParameter | None
    returns: Any


def signature_of(route: Route) -> Signature:
    """The signature of the route's handler; raises `HandlerMistake`."""
    return _SignatureReader(route).read()


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    type: Any
    extras: tuple[Any, ...]
    annotation: Any
    default: Any

    def marked_by(self, kind: type) -> Any:
        return next((extra for extra in self.extras if isinstance(extra, kind)), None)


class _SignatureReader:
    """Sorts the parameters of one handler into their kinds."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._path_names = tuple(_PATH_NAME.findall(route.path))
        self._path: list[PathParameter] = []
        self._headers: list[HeaderParameter] = []
        self._query_structs: list[QueryParameters] = []
        self._loose: list[_Parameter] = []
        self._requests: list[RequestParameter] = []
        self._callers: list[CallerParameter] = []
        self._bodies: list[BodyParameter] = []

    def read(self) -> Signature:
        self._check_route()
        declared = self._inspect()
        for parameter in self._parameters(declared):
            self._sort(parameter)
        self._check_path_names(declared.parameters)
        return Signature(
            path=tuple(self._path),
            headers=tuple(self._headers),
            query=self._query(),
            request=self._one_of(self._requests, "the request"),
            caller=self._one_of(self._callers, "the caller"),
            body=self._body(),
            returns=self._returns(declared),
        )

    def _mistake(self, sentence: str) -> HandlerMistake:
        handler = getattr(self._route.handler, "__qualname__", repr(self._route.handler))
        return HandlerMistake(f"{self._route.method} {self._route.path} ({handler}): {sentence}")

    def _check_route(self) -> None:
        route = self._route
        if route.method not in METHODS:
            raise self._mistake(f"the method must be one of {', '.join(sorted(METHODS))}.")
        if not _PATH.fullmatch(route.path):
            raise self._mistake(
                "the path must be like /orders/{order_id}: each name a whole segment, no slash at the end."
            )
        if len(set(self._path_names)) != len(self._path_names):
            raise self._mistake("the path has the same name twice.")
        if not _is_async(route.handler):
            raise self._mistake("the handler must be an async function.")

    def _inspect(self) -> inspect.Signature:
        try:
            return inspect.signature(self._route.handler, eval_str=True)
        except NameError as error:
            raise self._mistake(f"an annotation cannot be resolved: {error}.") from error

    def _parameters(self, declared: inspect.Signature) -> Iterator[_Parameter]:
        bound = getattr(self._route.handler, "keywords", {})  # those of a functools.partial
        for parameter in declared.parameters.values():
            if parameter.name in bound:
                continue
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise self._mistake(f"parameters are given by name, which {parameter} does not allow.")
            if parameter.annotation is parameter.empty:
                raise self._mistake(f"the parameter {parameter.name} has no annotation to say what it is given.")
            yield _unwrapped(parameter)

    def _sort(self, parameter: _Parameter) -> None:
        """Put the parameter where it belongs; the order of the cases decides."""
        if parameter.name in self._path_names:
            self._path.append(self._path_parameter(parameter))
        elif _is_principal(parameter.type):
            self._callers.append(self._caller(parameter))
        elif parameter.type is Request:
            self._requests.append(self._request_parameter(parameter))
        elif header := parameter.marked_by(Header):
            self._headers.append(self._header(parameter, header))
        elif parameter.marked_by(Query) or Query in parameter.extras:
            self._query_structs.append(self._query_struct(parameter))
        elif _holds_struct(parameter.type):
            self._bodies.append(self._body_parameter(parameter))
        elif is_text_type(parameter.annotation):
            self._loose.append(parameter)
        else:
            raise self._mistake(
                f"the parameter {parameter.name}: {_name(parameter.annotation)} is neither a scalar (for the query), "
                "nor made of Structs (for the body)."
            )

    def _path_parameter(self, parameter: _Parameter) -> PathParameter:
        if not is_text_type(parameter.annotation) or _is_optional(parameter.type):
            raise self._mistake(f"the path's {parameter.name} must be a scalar such as str, int or UUID.")
        return PathParameter(parameter.name, parameter.annotation)

    def _caller(self, parameter: _Parameter) -> CallerParameter:
        requirements = tuple(extra for extra in parameter.extras if hasattr(extra, "check"))
        if len(requirements) != len(parameter.extras):
            raise self._mistake(f"{parameter.name} has a requirement without check(); write HasRole(…) or IsService().")
        optional = _is_optional(parameter.type)
        if optional and requirements:
            raise self._mistake(f"{parameter.name} cannot be optional and have requirements.")
        return CallerParameter(parameter.name, requirements, optional)

    def _header(self, parameter: _Parameter, header: Header) -> HeaderParameter:
        if not is_text_type(parameter.annotation):
            raise self._mistake(f"the header {header.name} must be a scalar such as str or int.")
        return HeaderParameter(parameter.name, header.name, parameter.annotation, _absent_value(parameter))

    def _request_parameter(self, parameter: _Parameter) -> RequestParameter:
        media = parameter.marked_by(Media)
        if media is not None and self._route.method in _METHODS_WITHOUT_BODY:
            raise self._mistake(f"{parameter.name} wants a body, which {self._route.method} requests do not have.")
        return RequestParameter(parameter.name, media)

    def _body_parameter(self, parameter: _Parameter) -> BodyParameter:
        try:
            wire.decoder(parameter.annotation)
        except TypeError as error:
            raise self._mistake(f"{parameter.name}: {error}") from error
        return BodyParameter(parameter.name, parameter.annotation, parameter.default)

    def _query_struct(self, parameter: _Parameter) -> QueryParameters:
        try:
            QueryString(parameter.type)
        except TypeError as error:
            raise self._mistake(f"{parameter.name}: {error}.") from error
        return QueryParameters(parameter.type, name=parameter.name)

    def _query(self) -> QueryParameters | None:
        if self._query_structs and self._loose:
            whole = self._query_structs[0].name
            raise self._mistake(f"{self._loose[0].name} is a query parameter beside {whole}, which takes them all.")
        if self._loose:
            return self._loose_query()
        return self._one_of(self._query_structs, "the query")

    def _loose_query(self) -> QueryParameters:
        names = {parameter.name: camel(parameter.name) for parameter in self._loose}
        fields = {camel(p.name): (p.annotation, _absent_value(p)) for p in self._loose}
        return QueryParameters(text_struct("Query", fields), names=names)

    def _body(self) -> BodyParameter | None:
        body = self._one_of(self._bodies, "the body")
        if body is not None and self._route.method in _METHODS_WITHOUT_BODY:
            raise self._mistake(f"{body.name} wants a body, which {self._route.method} requests do not have.")
        return body

    def _one_of(self, found: Sequence[N], what: str) -> N | None:
        if len(found) > 1:
            raise self._mistake(f"{' and '.join(str(one.name) for one in found)} both want {what}; there is only one.")
        return found[0] if found else None

    def _check_path_names(self, parameters: Mapping[str, object]) -> None:
        for name in self._path_names:
            if name not in parameters:
                raise self._mistake(f"the path names {name}, but the handler has no such parameter.")

    def _returns(self, declared: inspect.Signature) -> Any:
        if declared.return_annotation is declared.empty:
            raise self._mistake("the handler has no return annotation to say what it answers with.")
        return declared.return_annotation


def camel(name: str) -> str:
    """`min_price` is `minPrice`: how names look on the wire."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def members_of(type_: Any) -> tuple[Any, ...]:
    """The types of a union; of any other type, itself."""
    return get_args(type_) if get_origin(type_) in (Union, UnionType) else (type_,)


def _unwrapped(parameter: inspect.Parameter) -> _Parameter:
    default = REQUIRED if parameter.default is parameter.empty else parameter.default
    type_, extras = parameter.annotation, ()
    if get_origin(type_) is Annotated:
        type_, *found = get_args(type_)
        extras = tuple(found)
    return _Parameter(parameter.name, type_, extras, parameter.annotation, default)


def _absent_value(parameter: _Parameter) -> Any:
    if parameter.default is REQUIRED and _is_optional(parameter.type):
        return None
    return parameter.default


def _is_async(handler: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004 - its code is looked at


def _is_optional(type_: Any) -> bool:
    return NoneType in members_of(type_)


def _is_principal(type_: Any) -> bool:
    return Principal in members_of(type_)


def _holds_struct(type_: Any) -> bool:
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return True
    return any(_holds_struct(inner) for inner in get_args(type_))


def _name(annotation: Any) -> str:
    return inspect.formatannotation(annotation)
