from pathlib import Path

import pytest

from atoll.runner.system_file import SystemFileInvalid, find_system_file, read_system

GOOD = """
[system]
name = "shop"
first_call = "/api/products"

[settings]
log_level = "info"

[services.registry]
module = "atoll.registry"
port = 3010

[services.users]
module = "json.tool"
port = 3001
needs = ["registry"]
database = true
secrets = ["admin_password"]
settings = { anything = 1 }

[services.gateway]
command = ["nginx", "-p", "{port}"]
health = "http://127.0.0.1:{port}/"
port = 3000
ports = { ops_port = 3009 }
needs = ["users"]

[[gateway.routes]]
path = "/users"
to = "users"

[commands.admin]
module = "json.tool"
arguments = ["admin"]
service = "users"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "atoll.toml"


def mistakes_in(file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(SystemFileInvalid) as caught:
        read_system(file)
    return list(caught.value.mistakes)


def test_a_good_file_is_read(file: Path) -> None:
    file.write_text(GOOD)

    system = read_system(file)

    assert (system.name, system.first_call, system.path) == ("shop", "/api/products", file)
    assert list(system.services) == ["registry", "users", "gateway"]
    assert system.services["gateway"].all_ports() == {"port": 3000, "ops_port": 3009}
    assert system.services["users"].needs == ("registry",)
    assert system.commands["admin"].arguments == ("admin",)
    assert system.service_running("atoll.registry") == "registry"


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    mistakes = mistakes_in(
        file,
        """
        [sytem]
        [services.users]
        modul = "json.tool"
        [services.orders]
        module = "json.tool"
        port = "3003"
        needs = ["user"]
        """,
    )

    assert mistakes == [
        "The file has no 'sytem'. Did you mean \"system\"?",
        "[services.users] has no 'modul'. Did you mean \"module\"?",
        "[services.orders] port: expected `int`, got `str`.",
        "[services.orders] needs 'user', which is not a service here. Did you mean \"users\"?",
        "[services.users] needs either 'module' or 'command', and not both.",
    ]


def test_a_circle_of_needs_is_shown(file: Path) -> None:
    [mistake] = mistakes_in(
        file,
        """
        [services]
        users = { module = "json.tool", needs = ["orders"] }
        orders = { module = "json.tool", needs = ["users"] }
        """,
    )

    assert "in a circle" in mistake
    assert "users → orders → users" in mistake or "orders → users → orders" in mistake


def test_a_port_given_twice_is_found_wherever_it_is(file: Path) -> None:
    mistakes = mistakes_in(
        file,
        """
        [services]
        users = { module = "json.tool", port = 3001 }
        gateway = { module = "json.tool", port = 3000, ports = { ops_port = 3001 } }
        """,
    )

    assert mistakes == ["Port 3001 is given more than once: to users and gateway (ops_port)."]


def test_a_module_that_is_not_there_is_found_before_anything_starts(file: Path) -> None:
    mistakes = mistakes_in(file, '[services]\nusers = { module = "no_such.module" }')

    assert mistakes == [
        "[services.users] module: there is no program 'no_such.module' to run, neither in this folder nor installed."
    ]


def test_a_package_without_a_main_is_no_program(file: Path) -> None:
    assert mistakes_in(file, '[services]\nusers = { module = "xml" }') != []


def test_looking_for_a_module_runs_none_of_it(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "explosive").mkdir()
    (tmp_path / "explosive/__init__.py").write_text("raise SystemExit('boom')")
    (tmp_path / "explosive/main.py").write_text("")
    monkeypatch.chdir(tmp_path)
    file.write_text('[services]\nusers = { module = "explosive.main" }')

    assert read_system(file).services["users"].module == "explosive.main"


def test_a_route_to_nowhere_is_found(file: Path) -> None:
    mistakes = mistakes_in(
        file,
        '[services]\nproducts = { module = "json.tool" }\n[[gateway.routes]]\npath = "/products"\nto = "product"',
    )

    assert mistakes == [
        "Route 1 of the gateway goes to 'product', which is not a service here. Did you mean \"products\"?"
    ]


def test_settings_for_calls_to_nobody_are_found(file: Path) -> None:
    mistakes = mistakes_in(
        file,
        '[services]\nproducts = { module = "json.tool", calls = { to = { product = {} } } }\n[calls.to.prodcts]',
    )

    assert mistakes == [
        "[calls.to.prodcts]: there is no service 'prodcts' here. Did you mean \"products\"?",
        "[services.products.calls.to.product]: there is no service 'product' here. Did you mean \"products\"?",
    ]


def test_a_command_of_no_service_is_found(file: Path) -> None:
    mistakes = mistakes_in(
        file,
        '[services]\nusers = { module = "json.tool" }\n[commands.admin]\nmodule = "json.tool"\nservice = "user"',
    )

    assert mistakes == ["[commands.admin] service: 'user' is not a service here. Did you mean \"users\"?"]


def test_a_command_that_looks_at_a_database_that_there_is_not_is_found(file: Path) -> None:
    mistakes = mistakes_in(
        file,
        '[services]\nusers = { module = "json.tool" }\n'
        '[commands.check]\nmodule = "json.tool"\ndatabases = ["users", "user"]',
    )

    assert mistakes == [
        "[commands.check] databases: users has none.",
        "[commands.check] databases: 'user' is not a service here. Did you mean \"users\"?",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[services", "it is not TOML"),
        ("", "needs 'services'"),
        ("services = 3", "services: expected `object`, got `int`"),
        ("[services]", "There is no service in it"),
    ],
)
def test_a_file_that_says_nothing_useful_is_refused_in_words(file: Path, text: str, words: str) -> None:
    assert words in " ".join(mistakes_in(file, text))


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(SystemFileInvalid, match=r"atoll\.toml cannot be used:\n  - there is no such file"):
        read_system(file)


def test_the_file_is_found_here_or_in_shop(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/atoll.toml").touch()
    assert find_system_file(tmp_path) == tmp_path / "shop/atoll.toml"

    (tmp_path / "atoll.toml").touch()

    assert find_system_file(tmp_path) == tmp_path / "atoll.toml"


def test_no_file_anywhere_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemFileInvalid, match="name the file with --file"):
        find_system_file(tmp_path)
