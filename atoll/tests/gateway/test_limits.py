"""What the settings say of limits: what holds when, and what cannot be."""

from typing import Any

import pytest

from atoll.gateway.limits import LimitsInvalid, limits_in
from atoll.gateway.settings import GatewaySettings, LimitSettings, RouteSettings
from atoll.limits.policy import LimitPolicy
from atoll.limits.rates import in_words, policy_of
from atoll.settings import SettingsInvalid, load_settings

SIGN_IN = {"sign-in": LimitSettings(address="20 per 15 min")}


def settings(*routes: RouteSettings, **given: Any) -> GatewaySettings:
    return GatewaySettings(routes=routes, **given)


def route(limit: str = "default", cost: int = 1) -> RouteSettings:
    return RouteSettings(path="/things", to="things", access="public", limit=limit, cost=cost)


@pytest.mark.parametrize(
    ("rate", "quota", "window"),
    [
        ("100 per 15 min", 100, 900.0),
        ("5 per s", 5, 1.0),
        ("1_000 per hour", 1000, 3600.0),
        ("7 per 2 hours", 7, 7200.0),
        ("1 per day", 1, 86_400.0),
        ("30 per 10s", 30, 10.0),
    ],
)
def test_a_rate_is_written_as_it_is_said(rate: str, quota: int, window: float) -> None:
    assert LimitPolicy("any", quota, window) == policy_of("any", rate)


@pytest.mark.parametrize("rate", ["", "100", "100/min", "many per min", "10 per fortnight", "10 per  min", "-1 per s"])
def test_what_is_no_rate_is_told_with_an_example(rate: str) -> None:
    with pytest.raises(ValueError, match="is no rate; write one such as `100 per 15 min`"):
        policy_of("any", rate)


def test_a_policy_is_told_in_words() -> None:
    policies = [policy_of("any", rate) for rate in ("1 per s", "100 per 15 min", "2000 per 60 min")]

    assert ["1 request in 1 second", "100 requests in 15 minutes", "2,000 requests in 1 hour"] == [
        in_words(policy) for policy in policies
    ]
    assert in_words(LimitPolicy("any", 3, 0.5)) == "3 requests in 0.5 seconds"


def test_without_a_word_each_address_has_a_hundred_in_a_quarter_of_an_hour_and_each_user_more() -> None:
    default = limits_in(settings())["default"]

    assert default.address == LimitPolicy("default", 100, 900.0)
    assert default.user == LimitPolicy("default-user", 1000, 900.0)


def test_development_has_limits_of_its_own_and_production_never_has_them() -> None:
    wide = {"default": LimitSettings(address="9 per s")}
    quotas = [
        limits_in(settings(limits=SIGN_IN, development_limits=wide, environment=environment))["default"].address.quota
        for environment in ("development", "production")
    ]

    assert [9, 100] == quotas


def test_what_development_does_not_name_holds_there_too() -> None:
    assert limits_in(settings(limits=SIGN_IN))["sign-in"].address.quota == 20


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            settings(limits={"default": LimitSettings(address="a lot")}),
            "[gateway.limits] default: 'a lot' is no rate; write one such as `100 per 15 min`",
        ),
        (
            settings(limits={"default": LimitSettings(address="1 per s", user="0 per s")}),
            "[gateway.limits] default: The limit default-user needs a quota of at least 1",
        ),
        (
            settings(limits={"two words": LimitSettings(address="1 per s")}),
            "[gateway.limits] two words: A limit's name is made of letters, digits, - and _",
        ),
        (
            settings(limits=SIGN_IN, development_limits={"signin": LimitSettings(address="1 per s")}),
            "[gateway.development_limits] signin is not in [gateway.limits]. Did you mean sign-in?",
        ),
        (
            settings(route("sign_in"), limits=SIGN_IN),
            "Route 1 (/things) has the limit 'sign_in', which is not in [gateway.limits]. Did you mean sign-in?",
        ),
        (settings(route("other")), "There is default."),
        (settings(route(cost=-1)), "Route 1 (/things) has a negative cost."),
        (
            settings(route("sign-in", cost=21), limits=SIGN_IN),
            "Route 1 (/things) costs 21, more than its limit of 20 ever lets pass.",
        ),
        (
            settings(route(cost=6), development_limits={"default": LimitSettings(address="5 per s")}),
            "Route 1 (/things) costs 6, more than its limit of 5 ever lets pass.",
        ),
    ],
)
@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_mistake_is_told_in_a_sentence_wherever_it_is(
    wrong: GatewaySettings, sentence: str, environment: str
) -> None:
    import msgspec

    with pytest.raises(LimitsInvalid) as mistake:
        limits_in(msgspec.structs.replace(wrong, environment=environment))

    assert sentence in str(mistake.value)


def test_a_limit_in_the_file_that_is_none_is_told_with_its_place(tmp_path: Any) -> None:
    file = tmp_path / "atoll.toml"
    file.write_text('[gateway.limits]\ndefault = { adress = "1 per s" }\n')
    with pytest.raises(SettingsInvalid, match=r"\[gateway.limits\] in .*unknown field `adress`"):
        load_settings(GatewaySettings, "gateway", {"ATOLL_CONFIG": str(file)})
