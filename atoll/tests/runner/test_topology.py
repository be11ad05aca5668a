from atoll.runner.topology import among, circle_in, needed_by, start_order

NEEDS = {"gateway": ["orders", "users"], "orders": ["products"], "users": [], "products": []}


def test_every_service_starts_after_those_it_needs() -> None:
    order = start_order(NEEDS)

    assert order.index("products") < order.index("orders") < order.index("gateway")
    assert order.index("users") < order.index("gateway")


def test_a_circle_is_named_from_its_first_service_back_to_it() -> None:
    circle = circle_in({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})

    assert circle[0] == circle[-1]
    assert set(circle) == {"a", "b", "c"}


def test_services_without_a_circle_have_none() -> None:
    assert circle_in(NEEDS) == []


def test_each_service_knows_who_needs_it() -> None:
    assert needed_by(NEEDS)["users"] == {"gateway"}


def test_needs_among_chosen_services_forget_the_others() -> None:
    assert among(NEEDS, ["gateway", "users"]) == {"gateway": {"users"}, "users": frozenset()}
