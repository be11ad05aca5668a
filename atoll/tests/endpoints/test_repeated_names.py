"""A name that is there twice in an object is refused, however well it hides, and nothing else is."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll import wire
from atoll.endpoints.repeated_names import repeated_names_refusal
from atoll.problems import InvalidFields
from atoll.wire import StrictModel


class Part(StrictModel):
    name: str
    price: float


class Thing(StrictModel):
    name: str
    part_list: tuple[Part, ...] = ()
    note: str | msgspec.UnsetType = msgspec.UNSET
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    spares: dict[str, Part] = msgspec.field(default_factory=dict)
    inner: "Thing | None" = None
    shape: "Round | Square | None" = None


class Round(StrictModel, tag="round"):
    radius: int


class Square(StrictModel, tag="square"):
    side: int


Body = Thing | list[Thing]

refuse = repeated_names_refusal(Body)


def read(text: str) -> Any:
    value: Any = wire.decoder(Body).decode(text.encode())  # type: ignore[arg-type]  # a union is a type here
    refuse(text.encode(), value)
    return value


class Object(list[tuple[str, Any]]):
    """A JSON object whose names may be there twice."""


def written(value: Any) -> str:
    if isinstance(value, Object):
        return "{" + ",".join(f"{json.dumps(name)}: {written(item)}" for name, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def has_repeated_name(value: Any) -> bool:
    items: Iterable[Any] = [item for _, item in value] if isinstance(value, Object) else value
    names = [name for name, _ in value] if isinstance(value, Object) else []
    return len(set(names)) < len(names) or any(has_repeated_name(item) for item in items if isinstance(item, list))


texts = st.text(max_size=5) | st.sampled_from(["a:b", '":', "::", ""])


def objects(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Object]:
    """Each required member at least once, others any number of times, in any order."""
    everything = {**required, **optional}
    once = st.fixed_dictionaries(required).map(lambda members: list(members.items()))
    more = st.lists(st.one_of([st.tuples(st.just(name), value) for name, value in everything.items()]), max_size=3)
    return st.tuples(once, more).flatmap(lambda two: st.permutations(two[0] + two[1])).map(Object)


parts = objects({"name": texts, "price": st.floats(0, 9)}, {})
labels = st.lists(st.tuples(st.sampled_from(["a", "b", "c:d"]), texts), max_size=3).map(Object)
spares = st.lists(st.tuples(st.sampled_from("ab"), parts), max_size=3).map(Object)
shapes = st.tuples(st.sampled_from([("round", "radius"), ("square", "side")]), st.integers(0, 9)).map(
    lambda shape: Object([("type", shape[0][0]), (shape[0][1], shape[1])])
)


def things(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    optional = {
        "partList": st.lists(parts, max_size=2),
        "note": texts,
        "count": st.integers(0, 2),
        "labels": labels,
        "spares": spares,
        "inner": inner,
        "shape": shapes | st.none(),
    }
    return objects({"name": texts}, optional)


bodies = things(things(st.none()))


@given(bodies | st.lists(bodies, max_size=2))
def test_whatever_the_text_exactly_a_repeated_name_is_refused(body: Any) -> None:
    try:
        read(written(body))
    except InvalidFields:
        refused = True
    else:
        refused = False

    assert has_repeated_name(body) == refused


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ('{"name": "a", "name": "a"}', "/name"),
        ('{"name": "a", "n\\u0061me": "b"}', "/name"),
        ('[{"name": "a", "partList": [{"name": "b", "price": 1, "price": 2}]}]', "/0/partList/0/price"),
        ('{"name": "a", "labels": {"x/y": "1", "x/y": "2"}}', "/labels/x~1y"),
    ],
)
def test_the_mistake_points_at_the_name(text: str, pointer: str) -> None:
    with pytest.raises(InvalidFields, match="This name is there twice in one object; say it once") as refused:
        read(text)

    assert [pointer] == [mistake.pointer for mistake in refused.value.errors]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "a:b:c"}',
        '{"name": "a", "count": 0, "inner": null}',
        '{"name" : "a" , "note" :"x"}',
        '[{"name": "a"}, {"name": "a"}]',
        '{"name": "a", "inner": {"name": "a", "inner": {"name": "a"}}}',
        '{"name": "a", "shape": {"type": "round", "radius": 1}}',
    ],
)
def test_the_same_name_in_different_objects_is_fine(text: str) -> None:
    assert read(text)


def test_one_name_a_hundred_thousand_times_is_refused_with_little_work() -> None:
    text = '{"name": "a", "labels": {' + ",".join(f'"{n % 50_000}": ""' for n in range(100_000)) + "}}"

    with pytest.raises(InvalidFields, match="/labels/0"):
        read(text)
