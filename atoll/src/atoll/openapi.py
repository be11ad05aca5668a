"""The OpenAPI 3.1 document of a service, out of the same annotations that its handlers are served by."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Union, get_args, get_origin

import msgspec

from atoll import problems, wire
from atoll.endpoints import Content, Endpoint, HandlerMistake, HasRole, IsService, NotModified, Reply, Stream
from atoll.endpoints.parameters import REQUIRED
from atoll.endpoints.signature import camel, members_of
from atoll.problems import Problem, ProblemDetails

Json = dict[str, Any]

VERSION = "3.1.1"
ACCESS_TOKEN = "accessToken"  # noqa: S105 - the name of a scheme
SERVICE_TOKEN = "serviceToken"  # noqa: S105 - the name of a scheme
"""The names of the security schemes, for users and for services of the system."""

_REF = "#/components/schemas/{name}"


def document(name: str, version: str, endpoints: Sequence[Endpoint]) -> Json:
    """The document of those of the endpoints that are documented, in their order.

    Raises `HandlerMistake` for a type that JSON Schema cannot describe.
    """
    shown = [endpoint for endpoint in endpoints if endpoint.route.documented]
    schemas = _Schemas(_types_of(shown))
    ids = _operation_ids(shown)
    paths: Json = {}
    for endpoint in shown:
        operation = _operation(endpoint, ids[id(endpoint)], schemas)
        paths.setdefault(endpoint.route.path, {})[endpoint.route.method.lower()] = operation
    return {
        "openapi": VERSION,
        "info": {"title": name, "version": version or "0"},
        "paths": paths,
        "components": _components(shown, schemas),
    }


def _components(endpoints: Sequence[Endpoint], schemas: "_Schemas") -> Json:
    components: Json = {"schemas": schemas.components}
    used = {scheme for endpoint in endpoints for way in _security(endpoint).get("security", ()) for scheme in way}
    if used:
        components["securitySchemes"] = {scheme: _SCHEMES[scheme] for scheme in sorted(used)}
    explained = {problem.slug(): _explanation(problem) for each in endpoints for problem in _problems_of(each)}
    if explained:
        components["examples"] = dict(sorted(explained.items()))
    return components


_SCHEMES: Mapping[str, Json] = {
    ACCESS_TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "What a user got by signing in; a role that is named must be in it.",
    },
    SERVICE_TOKEN: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The credential of another service of the system.",
    },
}


class _Schemas:
    """The JSON schema of every type in the document; those with a name are shared components."""

    def __init__(self, types: Iterable[Any]) -> None:
        distinct = list(dict.fromkeys([ProblemDetails, *types]))
        try:
            schemas, self.components = wire.schemas(distinct, _REF)
        except TypeError as error:
            raise HandlerMistake(f"A type of the routes has no JSON schema: {error}") from error
        self._by_type = dict(zip(distinct, schemas, strict=True))
        for schema in self.components.values():
            _speak_of_fields_by_their_names(schema)

    def of(self, type_: Any) -> Json:
        return dict(self._by_type[type_])


_FIELD = re.compile(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`")


def _speak_of_fields_by_their_names(schema: Json) -> None:
    """Docstrings say `user_id`, as Python does; who reads the document knows the field as `userId`."""
    if "description" in schema:
        schema["description"] = _FIELD.sub(lambda field: f"`{camel(field[1])}`", schema["description"])


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    place: str
    type: Any
    default: Any = REQUIRED

    def as_json(self, schemas: _Schemas) -> Json:
        schema = _without_null(schemas.of(self.type))
        if self.default is not REQUIRED and self.default is not None:
            schema["default"] = msgspec.json.decode(wire.encode(self.default))
        return {
            "name": self.name,
            "in": self.place,
            "required": self.default is REQUIRED,
            "schema": schema,
        }


def _without_null(schema: Json) -> Json:
    """The schema of a parameter: a text is never null, it is absent."""
    if "anyOf" not in schema:
        return schema
    others = [one for one in schema["anyOf"] if one != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**others[0], **rest} if len(others) == 1 else {**rest, "anyOf": others}


def _parameters(endpoint: Endpoint) -> Iterator[_Parameter]:
    signature = endpoint.signature
    for path in signature.path:
        yield _Parameter(path.name, "path", path.type)
    for header in signature.headers:
        yield _Parameter(header.header, "header", header.type, header.default)
    if signature.query is not None:
        for field in msgspec.structs.fields(signature.query.struct):
            yield _Parameter(field.encode_name, "query", field.type, _default_of(field))


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _types_of(endpoints: Iterable[Endpoint]) -> Iterator[Any]:
    for endpoint in endpoints:
        yield from (parameter.type for parameter in _parameters(endpoint))
        if endpoint.signature.body is not None:
            yield endpoint.signature.body.type
        answer = _answered(endpoint)
        if answer.json is not None:
            yield answer.json


def _operation(endpoint: Endpoint, operation_id: str, schemas: _Schemas) -> Json:
    operation: Json = {"operationId": operation_id, "tags": [_tag(endpoint.route.path)], **_words(endpoint)}
    parameters = [parameter.as_json(schemas) for parameter in _parameters(endpoint)]
    if parameters:
        operation["parameters"] = parameters
    request_body = _request_body(endpoint, schemas)
    if request_body is not None:
        operation["requestBody"] = request_body
    operation["responses"] = {**_success(endpoint, schemas), **_failures(endpoint, schemas)}
    operation.update(_security(endpoint))
    return operation


def _request_body(endpoint: Endpoint, schemas: _Schemas) -> Json | None:
    body = endpoint.signature.body
    if body is not None:
        content = {wire.MEDIA_TYPE: {"schema": schemas.of(body.type)}}
        return {"required": body.default is REQUIRED, "content": content}
    request = endpoint.signature.request
    if request is not None and request.media is not None:
        return {"required": True, "content": {type_: {"schema": {"type": "string"}} for type_ in request.media.types}}
    return None


def _words(endpoint: Endpoint) -> Json:
    """Summary and description: the first line of the handler's docstring, and the rest of it."""
    first, _, rest = (inspect.getdoc(endpoint.route.handler) or "").partition("\n")
    words = {"summary": endpoint.route.summary or first, "description": rest.strip()}
    return {key: text for key, text in words.items() if text}


def _tag(path: str) -> str:
    return path.strip("/").partition("/")[0] or "/"


def _operation_ids(endpoints: Iterable[Endpoint]) -> Mapping[int, str]:
    """The handler's name in camel case; with its path where one handler serves several."""
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for endpoint in endpoints:
        name = camel(_handler_name(endpoint))
        ids[id(endpoint)] = name if name not in taken else f"{name}_{_slug(endpoint)}"
        taken.add(ids[id(endpoint)])
    return ids


def _handler_name(endpoint: Endpoint) -> str:
    handler = endpoint.route.handler
    return str(getattr(handler, "__name__", type(handler).__name__)).strip("_")


def _slug(endpoint: Endpoint) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in endpoint.route.path).split()
    return "_".join([endpoint.route.method.lower(), *words])


def _security(endpoint: Endpoint) -> Json:
    """Who may call; beside the scheme stand the roles that it takes (OpenAPI 3.1, section 4.8.30)."""
    caller = endpoint.signature.caller
    if caller is None:
        return {}
    if any(isinstance(each, IsService) for each in caller.requirements):
        return {"security": [{SERVICE_TOKEN: []}]}
    roles = [each.role for each in caller.requirements if isinstance(each, HasRole)]
    token: Json = {ACCESS_TOKEN: roles}
    return {"security": [{}, token] if caller.optional else [token]}


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a return annotation says: the JSON type, whether other content is possible, whether nothing is."""

    json: Any
    content: bool
    nothing: bool
    not_modified: bool


def _answered(endpoint: Endpoint) -> _Answered:
    members = [_inside_reply(member) for member in members_of(endpoint.signature.returns)]
    flat = [inner for member in members for inner in members_of(member)]
    values = [member for member in flat if member not in (Content, Stream, NotModified, None, NoneType)]
    return _Answered(
        json=Union[tuple(values)] if values else None,  # noqa: UP007 - made of a tuple
        content=Content in flat or Stream in flat,
        nothing=None in flat or NoneType in flat,
        not_modified=NotModified in flat,
    )


def _inside_reply(type_: Any) -> Any:
    if get_origin(type_) is Reply:
        return get_args(type_)[0]
    return Any if type_ is Reply else type_


def _success(endpoint: Endpoint, schemas: _Schemas) -> Json:
    answered, status = _answered(endpoint), endpoint.route.status
    content: Json = {}
    if answered.json is not None:
        content[wire.MEDIA_TYPE] = {"schema": schemas.of(answered.json)}
    if answered.content:
        content["*/*"] = {}
    responses: Json = {}
    if content:
        responses[str(status)] = {"description": _phrase(status), "content": content}
    if answered.nothing:
        empty = 204 if status == 200 else status
        responses.setdefault(str(empty), {"description": _phrase(empty)})
    if answered.not_modified:
        responses["304"] = {"description": _phrase(304)}
    return responses


def _phrase(status: int) -> str:
    from http import HTTPStatus

    return HTTPStatus(status).phrase


def _failures(endpoint: Endpoint, schemas: _Schemas) -> Json:
    by_status: dict[int, list[type[Problem]]] = {}
    for problem in _problems_of(endpoint):
        by_status.setdefault(problem.status, []).append(problem)
    responses = {str(status): _problem_response(found, schemas) for status, found in sorted(by_status.items())}
    return {**responses, "default": _problem_response([], schemas)}


def _problems_of(endpoint: Endpoint) -> Iterable[type[Problem]]:
    """Those that the route names, then those that its annotations imply, each once."""
    return dict.fromkeys([*endpoint.route.problems, *_implied_problems(endpoint)])


def _implied_problems(endpoint: Endpoint) -> Iterator[type[Problem]]:
    signature = endpoint.signature
    if signature.caller is not None:
        yield problems.Unauthenticated
        if signature.caller.requirements:
            yield problems.Forbidden
    if signature.path:
        yield problems.NotFound
    if signature.body is not None:
        yield from (problems.BadRequest, problems.ContentTooLarge, problems.UnsupportedMediaType)
    if signature.request is not None and signature.request.media is not None:
        yield from (problems.ContentTooLarge, problems.UnsupportedMediaType, problems.InvalidFields)
    if signature.body is not None or signature.query is not None or signature.headers:
        yield problems.InvalidFields


def _explanation(problem: type[Problem]) -> Json:
    return {"summary": problem.title(), "description": inspect.getdoc(problem) or ""}


def _problem_response(found: Sequence[type[Problem]], schemas: _Schemas) -> Json:
    """The answer of these problems; each is explained in an example of its own, by its slug."""
    content: Json = {"schema": schemas.of(ProblemDetails)}
    if found:
        content["examples"] = {problem.slug(): {"$ref": f"#/components/examples/{problem.slug()}"} for problem in found}
    return {
        "description": " or ".join(dict.fromkeys(problem.title() for problem in found)) or "Any other problem",
        "content": {problems.MEDIA_TYPE: content},
    }
