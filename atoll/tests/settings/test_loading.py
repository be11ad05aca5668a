"""Where settings come from, and what is said of every mistake in them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, field

from atoll.settings import (
    DEVELOPMENT_SECRET,
    Secret,
    ServiceSettings,
    Setting,
    SettingsInvalid,
    http_url,
    load_settings,
)

SECRET = "x" * 32


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    to: str = "orders"


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """One field of each kind."""

    database_url: Annotated[str, Setting("Where orders are kept.")] = "sqlite:///data/orders.db"
    users_url: Annotated[
        str | None, Setting("A fixed address of users.", aliases=("USER_SERVICE_URL",), check=http_url)
    ] = None
    cache_url: Annotated[str | None, Setting("The cache.", env="VALKEY_URL", aliases=("REDIS_URL",))] = None
    workers: Annotated[int, Meta(ge=1, le=64), Setting("How many workers.")] = 1
    ratio: Annotated[float, Setting("Any number.")] = 0.5
    eager: Annotated[bool, Setting("Yes or no.")] = False
    limit: Annotated[int | None, Setting("A number or nothing.")] = None
    mode: Annotated[Literal["fast", "careful"], Setting("How to work.")] = "careful"
    proxies: Annotated[tuple[str, ...], Setting("Whom to trust.")] = ()
    weights: Annotated[list[int], Setting("Numbers.")] = field(default_factory=list)
    names: Annotated[dict[str, int], Setting("A table.")] = field(default_factory=dict)
    folder: Annotated[Path, Setting("A folder.")] = Path("data")
    routes: Annotated[tuple[Route, ...], Setting("Where to go.", section="gateway.routes")] = ()


class Needy(ServiceSettings, frozen=True, kw_only=True):
    database_url: Annotated[str, Setting("Where orders are kept.")]
    routes: Annotated[tuple[Route, ...], Setting("Where to go.", section="gateway.routes")]


class Guarded(ServiceSettings, frozen=True, kw_only=True):
    signing_key: Secret
    admin_password: Secret | None = None


def load(file: Path | None = None, settings_type: type[Any] = Settings, /, **environ: str) -> Any:
    named = {"ATOLL_CONFIG": str(file)} if file else {}
    return load_settings(settings_type, "orders", {**named, **environ})


def mistakes(file: Path | None = None, settings_type: type[Any] = Settings, /, **environ: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as raised:
        load(file, settings_type, **environ)
    return [str(mistake) for mistake in raised.value.mistakes]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "atoll.toml"


class TestSources:
    def test_defaults_hold_when_nothing_is_said(self) -> None:
        assert Settings() == load()

    def test_the_environment_uses_the_name_in_capitals(self) -> None:
        assert ("sqlite:///x.db", 4) == (load(DATABASE_URL="sqlite:///x.db").database_url, load(WORKERS="4").workers)

    def test_the_file_has_settings_for_every_service(self, file: Path) -> None:
        file.write_text("[settings]\nworkers = 3\n")

        assert 3 == load(file).workers

    def test_those_of_the_service_win_over_those_for_every_service(self, file: Path) -> None:
        file.write_text("[settings]\nworkers = 3\neager = true\n[services.orders.settings]\nworkers = 4\n")

        loaded = load(file)

        assert (4, True) == (loaded.workers, loaded.eager)

    def test_those_of_other_services_are_theirs(self, file: Path) -> None:
        file.write_text("[services.users]\nmodule = 'shop_users'\n[services.users.settings]\nanything = 1\n")

        assert Settings() == load(file)

    def test_the_environment_wins_over_the_file(self, file: Path) -> None:
        file.write_text("[settings]\nworkers = 3\n[services.orders.settings]\nworkers = 4\n")

        assert 5 == load(file, WORKERS="5").workers

    def test_a_path_in_the_file_starts_from_the_files_folder(self, file: Path) -> None:
        file.write_text("[settings]\nfolder = 'sample/data'\n")

        assert file.parent / "sample/data" == load(file).folder
        assert Path("sample/data") == load(file, FOLDER="sample/data").folder

    def test_an_empty_value_in_the_environment_is_none_at_all(self, file: Path) -> None:
        file.write_text("[settings]\nworkers = 3\n")

        loaded = load(file, WORKERS="", DATABASE_URL="", REGISTRY_URL="")

        assert (3, "sqlite:///data/orders.db", None) == (loaded.workers, loaded.database_url, loaded.registry_url)

    def test_other_names_in_the_environment_are_nobodys_business(self) -> None:
        assert Settings() == load(PATH="/bin", HOME="/root", LANG="C")

    def test_what_is_no_setting_may_have_a_section_of_its_own(self, file: Path) -> None:
        file.write_text("[[gateway.routes]]\npath = '/users'\nto = 'users'\n[[gateway.routes]]\npath = '/orders'\n")

        assert (Route("/users", "users"), Route("/orders")) == load(file).routes

    def test_a_section_is_not_read_from_the_environment(self) -> None:
        assert () == load(ROUTES="[]", GATEWAY_ROUTES="[]").routes

    def test_the_process_own_environment_is_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WORKERS", "7")

        assert 7 == load_settings(Settings, "orders").workers


class TestAliases:
    @pytest.mark.parametrize("name", ["USERS_URL", "USER_SERVICE_URL"])
    def test_every_name_works(self, name: str) -> None:
        assert "http://127.0.0.1:3001" == load(**{name: "http://127.0.0.1:3001"}).users_url

    @pytest.mark.parametrize("name", ["VALKEY_URL", "REDIS_URL"])
    def test_the_first_name_may_be_another_than_the_fields(self, name: str) -> None:
        assert "redis://cache" == load(**{name: "redis://cache"}).cache_url

    def test_then_the_fields_own_name_is_none(self) -> None:
        assert None is load(CACHE_URL="redis://cache").cache_url

    def test_two_names_may_say_the_same(self) -> None:
        assert "redis://a" == load(VALKEY_URL="redis://a", REDIS_URL="redis://a").cache_url

    def test_two_names_that_differ_are_a_mistake(self) -> None:
        assert [
            "REDIS_URL in the environment says something else than VALKEY_URL in the environment; keep one of them."
        ] == mistakes(VALKEY_URL="redis://a", REDIS_URL="redis://b")


class TestValues:
    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("workers", "64", 64),
            ("ratio", "2", 2.0),
            ("ratio", "-1e3", -1000.0),
            ("eager", "true", True),
            ("eager", "1", True),
            ("eager", "false", False),
            ("eager", "0", False),
            ("limit", "12", 12),
            ("mode", "fast", "fast"),
            ("proxies", "10.0.0.1", ("10.0.0.1",)),
            ("proxies", "10.0.0.1, 10.0.0.2,", ("10.0.0.1", "10.0.0.2")),
            ("proxies", '["a,b", "c"]', ("a,b", "c")),
            ("weights", "1,2, 3", [1, 2, 3]),
            ("weights", "[1, 2]", [1, 2]),
            ("names", '{"a": 1}', {"a": 1}),
            ("folder", "/var/lib", Path("/var/lib")),
            ("database_url", "[not a list]", "[not a list]"),
            ("database_url", " kept as it is ", " kept as it is "),
            ("log_level", "debug", "debug"),
            ("graceful_timeout", "0", 0.0),
        ],
    )
    def test_are_read_from_the_text_of_the_environment(self, name: str, text: str, value: object) -> None:
        assert value == getattr(load(**{name.upper(): text}), name)

    @pytest.mark.parametrize(
        ("name", "toml", "value"),
        [
            ("workers", "64", 64),
            ("ratio", "2", 2.0),
            ("eager", "true", True),
            ("limit", "12", 12),
            ("mode", "'fast'", "fast"),
            ("proxies", "['a', 'b']", ("a", "b")),
            ("weights", "[1, 2]", [1, 2]),
            ("names", "{ a = 1 }", {"a": 1}),
            ("folder", "'/var/lib'", Path("/var/lib")),
        ],
    )
    def test_are_read_from_the_types_of_the_file(self, file: Path, name: str, toml: str, value: object) -> None:
        file.write_text(f"[settings]\n{name} = {toml}\n")

        assert value == getattr(load(file), name)

    @given(st.integers(1, 64), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
    def test_what_is_written_is_what_is_read(self, workers: int, ratio: float, eager: bool) -> None:
        loaded = load(WORKERS=str(workers), RATIO=repr(ratio), EAGER=str(eager).lower())

        assert (workers, ratio, eager) == (loaded.workers, loaded.ratio, loaded.eager)


class TestMistakesInTheEnvironment:
    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("PORT", "abc", "'abc': a whole number from 0 to 65535 is needed."),
            ("PORT", "65536", "'65536': a whole number from 0 to 65535 is needed."),
            ("PORT", "-1", "'-1': a whole number from 0 to 65535 is needed."),
            ("PORT", "3000.5", "'3000.5': a whole number from 0 to 65535 is needed."),
            ("WORKERS", "0", "'0': a whole number from 1 to 64 is needed."),
            ("RATIO", "half", "'half': a number is needed."),
            ("EAGER", "maybe", "'maybe': true or false is needed."),
            ("LIMIT", "many", "'many': a whole number is needed."),
            ("MODE", "slow", "'slow': one of fast, careful is needed."),
            ("MODE", "carefull", "'carefull': one of fast, careful is needed. Did you mean careful?"),
            ("ATOLL_ENV", "prod", "'prod': one of development, production is needed. Did you mean production?"),
            ("WEIGHTS", "1,two", "'1,two': a list of whole numbers, with commas between, is needed."),
            ("USERS_URL", "users:3001", "'users:3001': write http://host:port."),
            ("USER_SERVICE_URL", "https://users", "'https://users': write http://host:port."),
            (
                "REGISTRY_URL",
                "http://a:b@c",
                "'http://***@c': write http://host:port, several joined by commas, or dns://host:port.",
            ),
        ],
    )
    def test_are_told_with_the_name_and_what_is_needed(self, name: str, text: str, said: str) -> None:
        assert [f"{name} in the environment is {said}"] == mistakes(**{name: text})

    def test_text_that_should_be_json_is_told(self) -> None:
        (mistake,) = mistakes(NAMES="{a: 1}")

        assert mistake.startswith("NAMES in the environment is not JSON: ")

    def test_what_is_missing_is_told_with_what_it_is_for(self) -> None:
        assert [
            "DATABASE_URL is missing: Where orders are kept.",
            "[gateway.routes] is missing: Where to go.",
        ] == mistakes(None, Needy)


class TestMistakesInTheFile:
    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            ("workers = 'three'", "is 'three': a whole number from 1 to 64 is needed."),
            ("workers = '3'", "is '3': a whole number from 1 to 64 is needed."),
            ("workers = true", "is True: a whole number from 1 to 64 is needed."),
            ("database_url = 1", "is 1: a text is needed."),
            ("mode = 1", "is 1: one of fast, careful is needed."),
            ("folder = 1", "is 1: a path is needed."),
            ("proxies = 'a'", "is 'a': a list of texts is needed."),
            ("users_url = 'ftp://a'", "is 'ftp://a': write http://host:port."),
        ],
    )
    def test_are_told_with_table_and_key(self, file: Path, toml: str, said: str) -> None:
        file.write_text(f"[services.orders.settings]\n{toml}\n")
        key = toml.split(maxsplit=1)[0]

        assert [f"{key} in [services.orders.settings] of {file} {said}"] == mistakes(file)

    def test_unknown_keys_are_told_with_what_was_meant(self, file: Path) -> None:
        file.write_text("[settings]\nlog_levl = 'info'\n[services.orders.settings]\nzzz = 1\n")

        assert [
            f"zzz in [services.orders.settings] of {file} is not a setting of orders.",
            f"log_levl in [settings] of {file} is not a setting of orders. Did you mean log_level?",
        ] == mistakes(file)

    def test_names_of_the_environment_are_unknown_there(self, file: Path) -> None:
        file.write_text("[settings]\nPORT = 1\natoll_env = 'production'\n")

        assert 2 == len(mistakes(file))

    def test_a_section_is_no_setting(self, file: Path) -> None:
        file.write_text("[settings]\nroutes = []\n")

        assert [f"routes in [settings] of {file} is not a setting of orders."] == mistakes(file)

    def test_a_mistake_deep_in_a_section_is_told_with_its_place(self, file: Path) -> None:
        file.write_text("[[gateway.routes]]\npath = '/a'\n[[gateway.routes]]\npath = 1\n")

        (mistake,) = mistakes(file)

        assert f"[gateway.routes] in {file} is not right: Expected `str`, got `int` - at `$[1].path`." == mistake

    def test_a_file_that_is_not_there_is_told(self, file: Path) -> None:
        assert [
            f"ATOLL_CONFIG in the environment names {file}, which cannot be read: no such file or directory."
        ] == mistakes(file)

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        assert [f"ATOLL_CONFIG in the environment names {tmp_path}, which cannot be read: is a directory."] == mistakes(
            tmp_path
        )

    def test_what_is_not_toml_is_told_with_its_line(self, file: Path) -> None:
        file.write_text("[settings]\nport = \n")

        (mistake,) = mistakes(file)

        assert mistake.startswith(f"{file} is not TOML: ")
        assert "line 2" in mistake

    def test_what_is_not_text_is_told(self, file: Path) -> None:
        file.write_bytes(b"\xff\xfe")

        (mistake,) = mistakes(file)

        assert mistake.startswith(f"{file} is not TOML: ")


class TestAllAtOnce:
    def test_mistakes_of_every_kind_are_in_one_message(self, file: Path) -> None:
        file.write_text("[settings]\nworker = 2\nratio = 'x'\n")

        with pytest.raises(SettingsInvalid) as raised:
            load(file, PORT="x", LOG_LEVEL="loud")

        assert (
            "The settings of orders have 4 mistakes:\n"
            f"  worker in [settings] of {file} is not a setting of orders. Did you mean workers?\n"
            "  PORT in the environment is 'x': a whole number from 0 to 65535 is needed.\n"
            "  LOG_LEVEL in the environment is 'loud': one of debug, info, warning, error is needed.\n"
            f"  ratio in [settings] of {file} is 'x': a number is needed."
        ) == str(raised.value)

    def test_one_is_one(self) -> None:
        with pytest.raises(SettingsInvalid, match=r"^The settings of orders have a mistake:\n  PORT"):
            load(PORT="x")

    def test_what_does_not_go_together_is_told(self) -> None:
        class Window(ServiceSettings, frozen=True, kw_only=True):
            low: int = 0
            high: int = 10

            def __post_init__(self) -> None:
                if self.low > self.high:
                    raise ValueError("low must not be above high.")

        assert ["together they do not work: low must not be above high."] == mistakes(None, Window, LOW="11")


class TestSecrets:
    def test_are_held_as_such(self) -> None:
        assert Secret(SECRET) == load(SERVICE_SECRET=SECRET).service_secret

    def test_may_be_in_a_file_of_their_own(self, tmp_path: Path) -> None:
        secret = tmp_path / "service_secret"
        secret.write_text(SECRET + "\n")

        assert Secret(SECRET) == load(SERVICE_SECRET_FILE=str(secret)).service_secret

    def test_a_file_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        secret = tmp_path / "service_secret"

        assert [
            f"SERVICE_SECRET_FILE in the environment names {secret}, which cannot be read: no such file or directory."
        ] == mistakes(SERVICE_SECRET_FILE=str(secret))

    def test_in_the_environment_and_in_a_file_they_must_agree(self, tmp_path: Path) -> None:
        secret = tmp_path / "service_secret"
        secret.write_text("y" * 32)

        (mistake,) = mistakes(SERVICE_SECRET=SECRET, SERVICE_SECRET_FILE=str(secret))

        assert mistake.startswith("SERVICE_SECRET_FILE in the environment says something else than SERVICE_SECRET")

    def test_an_address_with_a_password_in_it_may_be_in_a_file_too(self, tmp_path: Path) -> None:
        address = tmp_path / "database_url"
        address.write_text("postgresql://orders:hunter2@db/orders\n")

        assert "postgresql://orders:hunter2@db/orders" == load(DATABASE_URL_FILE=str(address)).database_url

    def test_a_mistake_in_an_address_in_a_file_is_told_without_its_password(self, tmp_path: Path) -> None:
        address = tmp_path / "users_url"
        address.write_text("ftp://users:hunter2@users")

        (mistake,) = mistakes(USERS_URL_FILE=str(address))

        assert "USERS_URL_FILE in the environment is 'ftp://***@users': write http://host:port." == mistake

    def test_that_are_too_short_are_told_without_showing_them(self) -> None:
        (mistake,) = mistakes(SERVICE_SECRET="hunter2")

        assert "SERVICE_SECRET in the environment is not right: give at least 32 random characters." == mistake

    def test_of_the_wrong_type_are_told_without_showing_them(self, file: Path) -> None:
        file.write_text("[settings]\nservice_secret = 12345\n")

        assert [f"service_secret in [settings] of {file} is not a secret text."] == mistakes(file)

    def test_are_not_in_the_text_of_the_settings(self) -> None:
        loaded = load(SERVICE_SECRET=SECRET, DATABASE_URL="postgresql://orders:hunter2@db/orders")

        for text in (repr(loaded), str(loaded), f"{loaded}"):
            assert SECRET not in text
            assert "hunter2" not in text
            assert "database_url='postgresql://***@db/orders'" in text


class TestProduction:
    def test_the_development_secret_is_a_mistake(self) -> None:
        assert ["SERVICE_SECRET must be given in production: your own, not the default."] == mistakes(
            ATOLL_ENV="production"
        )

    def test_giving_the_development_secret_is_a_mistake_too(self) -> None:
        assert 1 == len(mistakes(ATOLL_ENV="production", SERVICE_SECRET=DEVELOPMENT_SECRET.reveal()))

    def test_a_secret_of_ones_own_is_fine(self) -> None:
        assert "production" == load(ATOLL_ENV="production", SERVICE_SECRET=SECRET).environment

    def test_said_in_the_file_it_counts_as_well(self, file: Path) -> None:
        file.write_text("[settings]\nenvironment = 'production'\n")

        assert 1 == len(mistakes(file))

    def test_every_secret_is_looked_at_and_missing_ones_are_told_once(self) -> None:
        assert ["SIGNING_KEY is missing: it has no default.", "SERVICE_SECRET must be given"] == [
            mistake[: len("SERVICE_SECRET must be given")] if "must" in mistake else mistake
            for mistake in mistakes(None, Guarded, ATOLL_ENV="production")
        ]

    def test_an_optional_secret_may_be_left_out(self) -> None:
        loaded = load(None, Guarded, ATOLL_ENV="production", SERVICE_SECRET=SECRET, SIGNING_KEY="k" * 32)

        assert None is loaded.admin_password

    def test_in_development_the_default_holds(self) -> None:
        assert DEVELOPMENT_SECRET == load().service_secret
