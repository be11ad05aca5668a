"""Alerts ask for numbers that services tell, by the names and labels that they tell them with."""

import re
from typing import Any

import pytest
import yaml
from deploy.check import DEPLOY
from prometheus_client import CollectorRegistry

from atoll.calls.metrics import CallMetrics
from atoll.events.metrics import EventMetrics
from atoll.observability.metrics import HttpMetrics, exposition

PROMETHEUS_OWN = {"up", "job", "instance", "le"}
WORDS = {"sum", "max", "rate", "absent", "or", "by", "histogram_quantile"}


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def told() -> str:
    """What `/metrics` of a service has once everything in it has happened."""
    registry = CollectorRegistry()
    http, events = HttpMetrics(registry), EventMetrics(registry)
    CallMetrics(registry)
    http.started()
    http.finished("/orders", "POST", 201, 0.1)
    events.unacknowledged({"order.created": 1})
    events.set_aside(retrying=1, dead=1)
    return exposition(registry).decode()


def test_every_name_in_an_alert_is_one_that_services_tell(rules: list[dict[str, Any]], told: str) -> None:
    known = set(re.findall(r"[a-z_]+", told)) | PROMETHEUS_OWN | WORDS
    known |= {"peer_service", "peer_instance", "state"}  # of calls, which nobody made here

    for rule in rules:
        asked = set(re.findall(r"\b[a-z_]{2,}\b", re.sub(r'"[^"]*"|\[\w+\]', "", rule["expr"])))

        assert set() == asked - known, f"{rule['alert']} asks for what nobody tells"


def test_every_alert_says_how_urgent_it_is_what_happens_and_what_to_do(rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "do"} == rule["annotations"].keys()


def test_every_alert_has_a_test_that_it_fires(rules: list[dict[str, Any]]) -> None:
    tests = yaml.safe_load((DEPLOY / "prometheus" / "alerts.test.yaml").read_text(encoding="utf-8"))["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one.get("exp_alerts")}

    assert {rule["alert"] for rule in rules} == fired
