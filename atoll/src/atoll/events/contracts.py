"""Contracts of events are only added to: what a change of one would break, in sentences.

Events outlive the code that wrote them, in outboxes, brokers and dead letters; and services are not replaced all at
the same moment. So new code must understand old events, and old code new ones. That leaves one kind of change: a
new field that need not be there (and a new type of event). For anything else make a new type, and send both for a
while.

    assert [] == breaks(json.loads(committed), document(shop_contracts.events.ALL))
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from atoll import wire
from atoll.events.envelope import EventType

Schema: TypeAlias = Mapping[str, Any]

_REF = "#/$defs/{name}"
_FREE = frozenset(("title", "description", "default", "examples", "$defs"))
"""What a schema says to people, or to those who write: it decides nothing about what can be read."""

_LOOKED_INTO = frozenset(("properties", "required", "items", "prefixItems", "anyOf", "additionalProperties"))


def document(types: Iterable[EventType[Any]]) -> dict[str, Any]:
    """The contracts as JSON, to be committed: the schema of each type of event, and of what those refer to."""
    ordered = sorted(types, key=lambda type_: type_.name)
    schemas, components = wire.schemas([type_.data for type_ in ordered], _REF)
    return {
        "events": {type_.name: schema for type_, schema in zip(ordered, schemas, strict=True)},
        "$defs": dict(sorted(components.items())),
    }


def breaks(before: Schema, after: Schema) -> list[str]:
    """Every change from one `document` to the next that old or new code could not read; empty when all can."""
    found: list[str] = []
    for name, schema in before["events"].items():
        if name not in after["events"]:
            found.append(f"{name} is gone: those who wait for it would wait for ever. Keep sending it.")
            continue
        found += _Comparison(before, after).changes(name, schema, after["events"][name])
    return found


class _Comparison:
    """Walks through two schemas side by side, each with its own definitions."""

    def __init__(self, before: Schema, after: Schema) -> None:
        self._definitions = (before.get("$defs", {}), after.get("$defs", {}))
        self._compared: set[tuple[str, str]] = set()

    def changes(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        pair = (before.get("$ref", ""), after.get("$ref", ""))
        if all(pair):
            if pair in self._compared:
                return
            self._compared.add(pair)
        before, after = (
            _resolved(schema, known) for schema, known in zip((before, after), self._definitions, strict=True)
        )
        yield from self._facts(where, before, after)
        yield from self._fields(where, before, after)
        for keyword in ("items", "additionalProperties"):
            yield from self._inner(f"{where}, {keyword}", before.get(keyword), after.get(keyword))
        for keyword in ("anyOf", "prefixItems"):
            yield from self._inner_list(where, before.get(keyword, []), after.get(keyword, []))

    def _facts(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        """Types, values and bounds: all the same, or somebody cannot read what somebody else writes."""
        for keyword in sorted((before.keys() | after.keys()) - _FREE - _LOOKED_INTO):
            old, new = before.get(keyword), after.get(keyword)
            if keyword == "enum" and old is not None and new is not None:
                yield from _values(where, old, new)
            elif old != new:
                yield f"{where}: {keyword} was {_shown(old)} and is now {_shown(new)}. Make a new field instead."

    def _fields(self, where: str, before: Schema, after: Schema) -> Iterator[str]:
        old, new = before.get("properties", {}), after.get("properties", {})
        was_needed, is_needed = set(before.get("required", ())), set(after.get("required", ()))
        for field, schema in old.items():
            if field not in new:
                yield f"{where}/{field} is gone: those who read it would miss it. Keep sending it."
                continue
            if field in was_needed - is_needed:
                yield f"{where}/{field} may now be missing: those who rely on it would fail. Keep it required."
            if field in is_needed - was_needed:
                yield f"{where}/{field} must now be there: events from before have none. Leave it optional."
            yield from self.changes(f"{where}/{field}", schema, new[field])
        for field in sorted(new.keys() - old.keys()):
            if field in is_needed:
                yield f"{where}/{field} is new and must be there: events from before have none. Give it a default."

    def _inner(self, where: str, before: Any, after: Any) -> Iterator[str]:
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from self.changes(where, before, after)
        elif before != after:
            yield f"{where} was {_shown(before)} and is now {_shown(after)}. Make a new field instead."

    def _inner_list(self, where: str, before: list[Schema], after: list[Schema]) -> Iterator[str]:
        if len(before) != len(after):
            yield f"{where} was one of {len(before)} kinds and is now one of {len(after)}. Make a new field instead."
            return
        for one, other in zip(before, after, strict=True):
            yield from self.changes(where, one, other)


def _values(where: str, before: list[Any], after: list[Any]) -> Iterator[str]:
    for value in before:
        if value not in after:
            yield f"{where} can no longer be {_shown(value)}: events from before are. Keep the value."
    for value in after:
        if value not in before:
            yield f"{where} can now be {_shown(value)}: code from before does not know it. Make a new field instead."


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    name: str = schema.get("$ref", "").rpartition("/")[2]
    return definitions[name] if name else schema


def _shown(value: object) -> str:
    return "not said" if value is None else repr(value)
