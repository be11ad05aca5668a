"""What deploy/ says agrees with the code, and with itself."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy import assemble
from deploy.check import DEPLOY, Missing, rendered
from deploy.make_secrets import make

from atoll.gateway.settings import GatewaySettings
from atoll.settings import ServiceSettings, fields_of
from shop_orders.settings import OrdersSettings
from shop_products.settings import ProductsSettings
from shop_users.settings import UsersSettings

ROOT = DEPLOY.parent
SYSTEM = tomllib.loads((ROOT / "shop" / "atoll.toml").read_text(encoding="utf-8"))
SETTINGS: dict[str, type[ServiceSettings]] = {
    "registry": ServiceSettings,
    "users": UsersSettings,
    "products": ProductsSettings,
    "orders": OrdersSettings,
    "gateway": GatewaySettings,
}
SERVICES = tuple(SETTINGS)
OVERLAYS = ("development", "production")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every object of one overlay."""
    try:
        text = rendered(request.param, tmp_path_factory.mktemp("manifests"))
    except Missing as missing:
        pytest.skip(str(missing))
    return list(yaml.safe_load_all(text))


class TestImages:
    @pytest.mark.parametrize("name", [*SYSTEM["services"], *SYSTEM["commands"]])
    def test_every_program_of_the_system_file_can_have_one(self, name: str) -> None:
        program = assemble.program_named(name, SYSTEM)

        names = assemble.distributions_for(program.module, assemble.distributions())

        assert "atoll" in names

    @pytest.mark.parametrize("service", ["users", "products", "orders"])
    def test_a_service_has_the_platform_the_contracts_and_itself_in_it(self, service: str) -> None:
        names = assemble.distributions_for(f"shop_{service}", assemble.distributions())

        assert sorted(["atoll", "shop-contracts", f"shop-{service}"]) == names

    def test_the_gateway_is_asked_on_its_port_for_operations(self) -> None:
        assert "${OPS_PORT:-3009}" == assemble.program_named("gateway", SYSTEM).health_port

    def test_they_start_what_the_system_file_names_and_pass_on_what_they_are_told(self) -> None:
        scripts = assemble.launchers(assemble.program_named("orders", SYSTEM))

        assert '#!/bin/sh\nexec python -m shop_orders "$@"\n' == scripts["run"]

    def test_the_gateway_has_its_routes_with_it_unless_it_is_told_of_others(self) -> None:
        script = assemble.launchers(assemble.program_named("gateway", SYSTEM))["run"].replace("exec python", "echo")
        told: tuple[dict[str, str], ...] = ({}, {"ATOLL_CONFIG": "/etc/mine.toml"})
        command = ["/bin/sh", "-c", f"{script}echo $ATOLL_CONFIG"]
        said = [subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout for env in told]

        assert [assemble.ROUTES, "/etc/mine.toml"] == [one.split()[-1] for one in said]

    def test_a_command_is_not_asked_how_it_is(self) -> None:
        assert ["run"] == list(assemble.launchers(assemble.program_named("verify", SYSTEM)))

    def test_a_program_that_there_is_not_is_told_with_those_that_there_are(self) -> None:
        with pytest.raises(KeyError, match=r"'stock' is none of registry, users, .*verify"):
            assemble.program_named("stock", SYSTEM)

    @pytest.mark.parametrize("lock", ["requirements.lock", "build-requirements.lock"])
    def test_they_get_the_very_files_that_everybody_else_gets(self, lock: str) -> None:
        chosen = _pinned(ROOT / "requirements.lock")

        for name, files in _pinned(DEPLOY / lock).items():
            assert chosen[name] == files

    def test_they_get_everything_that_the_platform_needs(self) -> None:
        project = tomllib.loads((ROOT / "atoll" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        extras = project["optional-dependencies"]
        needed = [*project["dependencies"], *extras["postgres"], *extras["valkey"]]

        pinned = {name.partition("==")[0] for name in _pinned(DEPLOY / "requirements.lock")}

        assert [] == [need for need in needed if re.split(r"[^a-z0-9-]", need.lower())[0] not in pinned]


class TestCompose:
    @pytest.mark.parametrize("service", SERVICES)
    def test_it_gives_a_service_only_settings_that_it_has(self, compose: dict[str, Any], service: str) -> None:
        given = _compose_names(compose["services"][service])

        assert set() == given - _names(service)

    def test_every_service_of_the_system_is_in_it(self, compose: dict[str, Any]) -> None:
        assert set() == set(SYSTEM["services"]) - set(compose["services"])

    def test_only_the_gateway_is_published(self, compose: dict[str, Any]) -> None:
        assert ["gateway"] == [name for name, one in compose["services"].items() if "ports" in one]

    def test_every_container_is_contained(self, compose: dict[str, Any]) -> None:
        for one in compose["services"].values():
            assert (True, ["ALL"], ["no-new-privileges:true"]) == (
                one["read_only"],
                one["cap_drop"],
                one["security_opt"],
            )

    def test_a_stop_is_given_longer_than_it_takes(self, compose: dict[str, Any]) -> None:
        for service in SERVICES:
            assert f"{_longest_stop() + 5:.0f}s" == compose["services"][service]["stop_grace_period"]

    def test_every_secret_is_made(self, compose: dict[str, Any], tmp_path: Path) -> None:
        made = make(tmp_path / "secrets")

        assert set(compose["secrets"]) == set(made)

    def test_a_second_making_leaves_all_as_it_is(self, tmp_path: Path) -> None:
        make(tmp_path / "secrets")

        assert [] == make(tmp_path / "secrets")


class TestKubernetes:
    def test_a_service_gets_only_settings_that_it_has(self, manifests: list[dict[str, Any]]) -> None:
        everywhere = _everybodys_names()
        for deployment in _of_kind(manifests, "Deployment"):
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            given = {_without_file(variable["name"]) for variable in container["env"]}

            assert set() == given - _names(deployment["metadata"]["name"])

        for settings in _of_kind(manifests, "ConfigMap"):
            if settings["metadata"]["name"].startswith("settings-"):
                assert set() == settings["data"].keys() - everywhere

    def test_everything_is_restricted(self, manifests: list[dict[str, Any]]) -> None:
        for pod in _pods(manifests):
            assert (True, "RuntimeDefault", False) == (
                pod["securityContext"]["runAsNonRoot"],
                pod["securityContext"]["seccompProfile"]["type"],
                pod["automountServiceAccountToken"],
            )
            for container in pod["containers"]:
                assert {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                } == container["securityContext"]
                assert "memory" in container["resources"]["limits"]

    def test_a_stop_is_given_longer_than_it_takes(self, manifests: list[dict[str, Any]]) -> None:
        for deployment in _of_kind(manifests, "Deployment"):
            pod = deployment["spec"]["template"]["spec"]
            pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

            assert pause + _longest_stop() < pod["terminationGracePeriodSeconds"]

    def test_services_listen_where_others_look_for_them(self, manifests: list[dict[str, Any]]) -> None:
        ports = {one["metadata"]["name"]: one["spec"]["ports"][0]["port"] for one in _of_kind(manifests, "Service")}

        for name in ("users", "products", "orders", "gateway"):
            assert SYSTEM["services"][name]["port"] == ports[name]

    def test_whoever_may_call_is_let_in_where_it_goes(self, manifests: list[dict[str, Any]]) -> None:
        policies = {one["metadata"]["name"]: one["spec"] for one in _of_kind(manifests, "NetworkPolicy")}
        for caller, called in _calls():
            assert called in _goes_to(policies[caller]), f"{caller} may not go to {called}"
            assert caller in _comes_from(policies[called]), f"{called} does not let {caller} in"

    def test_nobody_is_let_in_who_does_not_call(self, manifests: list[dict[str, Any]]) -> None:
        policies = {one["metadata"]["name"]: one["spec"] for one in _of_kind(manifests, "NetworkPolicy")}
        calls = set(_calls())
        for called in ("users", "products", "orders"):
            assert set() == {(caller, called) for caller in _comes_from(policies[called])} - calls

    def test_every_deployment_may_lose_a_pod_and_no_more(self, manifests: list[dict[str, Any]]) -> None:
        guarded = {one["metadata"]["name"] for one in _of_kind(manifests, "PodDisruptionBudget")}

        assert {one["metadata"]["name"] for one in _of_kind(manifests, "Deployment")} == guarded


def _calls() -> Iterator[tuple[str, str]]:
    """Who calls whom: the addresses that a service can be given are those of its neighbours."""
    for route in SYSTEM["gateway"]["routes"]:
        yield "gateway", route["to"]
    for name, settings in SETTINGS.items():
        for field in fields_of(settings):
            called = field.name.removesuffix("_url")
            if called in SYSTEM["services"] and called != "registry":
                yield name, called


def _goes_to(policy: dict[str, Any]) -> set[str]:
    selectors = [peer["podSelector"] for rule in policy["egress"] for peer in rule["to"]]
    return {selector["matchLabels"]["app.kubernetes.io/name"] for selector in selectors}


def _comes_from(policy: dict[str, Any]) -> set[str]:
    selectors = [peer["podSelector"] for rule in policy["ingress"] for peer in rule["from"]]
    return {
        name for selector in selectors for expression in selector["matchExpressions"] for name in expression["values"]
    }


def _of_kind(manifests: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in manifests if one["kind"] == kind]


def _pods(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = ("Deployment", "StatefulSet", "Job")
    return [one["spec"]["template"]["spec"] for one in manifests if one["kind"] in kinds]


def _names(service: str) -> set[str]:
    """What the environment can say to a service."""
    names = {name for field in fields_of(SETTINGS[service]) for name in field.env_names}
    return names | ({"ATOLL_CONFIG"} if service == "gateway" else set())


def _everybodys_names() -> set[str]:
    """Beside settings, the gateway reads addresses, of whichever services its routes name."""
    return {name for service in SERVICES for name in _names(service)}


def _compose_names(service: dict[str, Any]) -> set[str]:
    return {_without_file(name) for name in service["environment"]}


def _without_file(name: str) -> str:
    return name.removesuffix("_FILE")


def _longest_stop() -> float:
    from atoll.lifecycle.process import STOP_MARGIN

    (graceful,) = (field.default for field in fields_of(ServiceSettings) if field.name == "graceful_timeout")
    return float(graceful) + STOP_MARGIN


def _pinned(lock: Path) -> dict[str, frozenset[str]]:
    """`name==version` of each package, with the hashes of its files."""
    entries = re.split(r"^(?=[a-z0-9])", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        entry.split()[0]: frozenset(re.findall(r"--hash=(\S+)", entry))
        for entry in entries
        if entry and entry[0] != "#"
    }
