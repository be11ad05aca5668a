"""What a settings type says of its own fields, for loading and for a table of all settings."""

from typing import Annotated

import pytest
from msgspec import NODEFAULT, field

from atoll.settings import Secret, ServiceSettings, Setting, SettingField, expectation, fields_of


class Settings(ServiceSettings, frozen=True, kw_only=True):
    database_url: Annotated[str, Setting("Where orders are kept.")]
    users_url: Annotated[str | None, Setting("Users.", aliases=("USER_SERVICE_URL",))] = None
    signing_key: Annotated[Secret | None, Setting("A key.")] = None
    routes: Annotated[list[str], Setting("Routes.", section="gateway.routes")] = field(default_factory=list)
    bare: int = 3


@pytest.fixture
def fields() -> dict[str, SettingField]:
    return {field.name: field for field in fields_of(Settings)}


def test_come_in_the_order_of_definition_the_inherited_ones_first() -> None:
    own, inherited = fields_of(Settings), fields_of(ServiceSettings)

    names = [field.name for field in own]
    assert [field.name for field in inherited] == names[: len(inherited)]
    assert ["database_url", "users_url", "signing_key", "routes", "bare"] == names[len(inherited) :]


def test_names_in_the_environment_are_capitals_then_aliases(fields: dict[str, SettingField]) -> None:
    assert ("DATABASE_URL",) == fields["database_url"].env_names
    assert ("USERS_URL", "USER_SERVICE_URL") == fields["users_url"].env_names
    assert ("ATOLL_ENV",) == fields["environment"].env_names
    assert () == fields["routes"].env_names


def test_defaults_and_whether_there_is_one(fields: dict[str, SettingField]) -> None:
    assert (True, NODEFAULT) == (fields["database_url"].required, fields["database_url"].default)
    assert (False, 3) == (fields["bare"].required, fields["bare"].default)
    assert [] == fields["routes"].default


def test_secrets_are_known_also_when_optional(fields: dict[str, SettingField]) -> None:
    assert {"service_secret", "signing_key"} == {name for name, field in fields.items() if field.secret}
    assert (False, True) == (fields["service_secret"].optional, fields["signing_key"].optional)


@pytest.mark.parametrize("field", fields_of(ServiceSettings), ids=lambda field: field.name)
def test_every_setting_of_all_services_is_explained(field: SettingField) -> None:
    assert field.setting.description.endswith(".")
    assert expectation(field.type)
