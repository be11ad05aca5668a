"""JSON schemas in words, and values that they would accept."""

import json
from collections.abc import Mapping
from typing import Any

from docs.generate.markdown import anchor, table

Schema = Mapping[str, Any]

_TEXTS = {
    "uuid": "01990b6c-7d5e-7b43-8b65-2f3a0d6c9e11",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "ann@example.com",
}
_EXAMPLES = {
    "accessToken": "eyJhbGciOi…",
    "category": "home",
    "createdAt": "2026-01-31T12:00:00Z",
    "currency": "EUR",
    "description": "Warm light for long evenings",
    "email": "ann@example.com",
    "host": "127.0.0.1",
    "name": "Ann",
    "password": "a long pass phrase",
    "currentPassword": "the one before",
    "port": 3001,
    "quantity": 2,
    "refreshToken": "mJ0gGu0b…",
    "stock": 10,
}


def name_of(schema: Schema) -> str:
    """The name of the shared schema that this one refers to."""
    return str(schema["$ref"]).rpartition("/")[2]


def words(schema: Schema) -> str:
    """`string`, `array of [Item](#item)`, `integer from 1 to 200`: what may stand there."""
    match schema:
        case {"$ref": _}:
            said = f"[{name_of(schema)}]({anchor(name_of(schema))})"
        case {"anyOf": variants} | {"oneOf": variants}:
            said = " or ".join(words(variant) for variant in variants)
        case {"enum": values}:
            said = " or ".join(f"`{json.dumps(value)}`" for value in values)
        case {"type": "array"}:
            count = _range(schema, "minItems", "maxItems").replace(" from", "")
            said = f"array of{count} {words(schema.get('items', {}))}"
        case {"type": "object"} if "properties" not in schema:
            said = f"object of {words(schema.get('additionalProperties') or {})}"
        case _:
            said = _scalar(schema)
    return said


def _scalar(schema: Schema) -> str:
    kind = schema.get("type", "anything")
    said = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if "format" in schema:
        said += f" ({schema['format']})"
    length = _range(schema, "minLength", "maxLength")
    said += _range(schema, "minimum", "maximum") + (
        f" of{length} characters".replace("of to", "of up to") if length else ""
    )
    return said + (f" like `{schema['pattern']}`" if "pattern" in schema else "")


def _range(schema: Schema, least: str, most: str) -> str:
    """` from 1 to 200`; empty without limits."""
    limits = [f" {word} {_number(schema[key])}" for key, word in ((least, "from"), (most, "to")) if key in schema]
    return "".join(limits)


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, (int, float)) and value >= 10_000 else str(value)


def field_table(schema: Schema) -> str:
    required = schema.get("required", [])
    rows = [
        (f"`{name}`", words(field) + ("" if name in required else ", optional"), field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    ]
    described = any(row[2] for row in rows)
    return table(("field", "type", "")[: 3 if described else 2], [row[: 3 if described else 2] for row in rows])


class Examples:
    """Makes values that schemas accept, out of what is usual for a name."""

    def __init__(self, shared: Mapping[str, Schema]) -> None:
        self._shared = shared

    def of(self, schema: Schema, name: str = "", *, brief: bool = False) -> Any:
        """A value; `brief` leaves out what need not be said."""
        if "$ref" in schema:
            return self.of(self._shared[name_of(schema)], name, brief=brief)
        if variants := schema.get("anyOf") or schema.get("oneOf"):
            return self.of(variants[0], name, brief=brief)
        if "properties" in schema:
            return self._object(schema, brief=brief)
        if schema.get("type") == "array":
            return [self.of(schema.get("items", {}), name.removesuffix("s"), brief=brief)]
        return self._scalar(schema, name)

    def _object(self, schema: Schema, *, brief: bool) -> dict[str, Any]:
        required = schema.get("required", [])
        chosen = {
            name: field for name, field in schema["properties"].items() if name in required or not brief or not required
        }
        return {name: self.of(field, name, brief=brief) for name, field in chosen.items()}

    def _scalar(self, schema: Schema, name: str) -> Any:
        given = schema.get("examples") or schema.get("enum")
        if given:
            return given[0]
        return _EXAMPLES[name] if name in _EXAMPLES else _usual(schema, name)


def _usual(schema: Schema, name: str) -> Any:
    if schema.get("type") == "string":
        plain = _TEXTS["uuid"] if name.lower().endswith("id") else "…"
        return _TEXTS.get(schema.get("format", ""), plain)
    usual: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "object": {}}
    return usual.get(schema.get("type", ""))
