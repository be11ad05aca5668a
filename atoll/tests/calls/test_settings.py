"""What the system file says about calls, and who wins."""

from pathlib import Path

import pytest

from atoll.calls import CallPolicy, Timeouts
from atoll.calls.settings import CallSettings
from atoll.settings import ServiceSettings, SettingsInvalid, load_settings


def load(folder: Path, text: str, service: str = "orders") -> CallSettings:
    file = folder / "atoll.toml"
    file.write_text(text)
    return load_settings(ServiceSettings, service, {"ATOLL_CONFIG": str(file)}).calls


def mistake(folder: Path, text: str) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        load(folder, text)
    (only,) = caught.value.mistakes
    return str(only)


def test_without_a_word_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path, "").policy_for("products") == CallPolicy()


def test_what_is_nearer_wins(tmp_path: Path) -> None:
    calls = load(
        tmp_path,
        """
        [calls]
        attempt_timeout = 1.0
        total_timeout = 5.0
        max_attempts = 4
        [calls.to.products]
        total_timeout = 6.0
        open_time = 3.0
        [services.orders.calls]
        attempt_timeout = 0.5
        [services.orders.calls.to.products]
        max_attempts = 2
        """,
    )

    products, users = calls.policy_for("products"), calls.policy_for("users")
    assert products.timeouts == Timeouts(attempt=0.5, total=6.0)
    assert (products.retry.max_attempts, products.circuit_breaker.open_time) == (2, 3.0)
    assert users.timeouts == Timeouts(attempt=0.5, total=5.0)
    assert (users.retry.max_attempts, users.circuit_breaker.open_time) == (4, 5.0)


def test_what_is_said_for_one_service_is_not_for_another(tmp_path: Path) -> None:
    calls = load(tmp_path, "[services.users.calls]\nmax_attempts = 9")

    assert calls == CallSettings()


def test_every_setting_has_its_place_in_the_policy(tmp_path: Path) -> None:
    for name in CallSettings.__struct_fields__:
        if name != "to":
            value = 0.3 if "rate" in name else 30
            policy = load(tmp_path, f"[calls]\n{name} = {value}").policy_for("products")

            assert policy != CallPolicy()


def test_unknown_settings_are_mistakes(tmp_path: Path) -> None:
    assert "max_atempts" in mistake(tmp_path, "[calls]\nmax_atempts = 2")
    assert "atempt_timeout" in mistake(tmp_path, "[calls.to.products]\natempt_timeout = 2")


def test_settings_that_do_not_go_together_are_mistakes(tmp_path: Path) -> None:
    assert "open_time" in mistake(tmp_path, "[calls.to.products]\nopen_time = 90.0")
    assert "window_calls" in mistake(tmp_path, "[services.orders.calls]\nwindow_calls = 5")
