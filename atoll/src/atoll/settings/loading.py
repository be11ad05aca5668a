"""Settings, read once: the environment over one TOML file over the defaults, all mistakes told together."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from atoll.settings.expectations import choices, expectation, is_list
from atoll.settings.fields import SettingField, fields_of, parts_of
from atoll.settings.secret import Secret
from atoll.settings.service_settings import ServiceSettings
from atoll.settings.urls import without_credentials

S = TypeVar("S", bound=ServiceSettings)

CONFIG_FILE = "ATOLL_CONFIG"
"""The name in the environment of the path to the TOML file; without it, there is no file."""

_FILE_SUFFIX = "_FILE"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with the settings: where it was written, and what to do about it."""

    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where} {self.sentence}"


class SettingsInvalid(Exception):
    """The settings cannot be used; the message has every mistake on a line of its own."""

    def __init__(self, service: str, mistakes: Sequence[Mistake]) -> None:
        count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        lines = "".join(f"\n  {mistake}" for mistake in mistakes)
        super().__init__(f"The settings of {service} have {count}:{lines}")
        self.service = service
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Found:
    """A value as it was found, and where."""

    value: object
    where: str
    written_as_text: bool
    """Whether everything is text there, as in the environment."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the file: its keys and values, and its name for messages."""

    values: Mapping[str, object]
    name: str

    def where(self, key: str) -> str:
        return f"{key} in {self.name}"


def load_settings(settings_type: type[S], service: str, environ: Mapping[str, str] = os.environ) -> S:
    """The settings of one service.

    A setting is looked for in the environment (an empty value there counts as none), then in the file that
    `ATOLL_CONFIG` names, in `[services.<service>.settings]` and then in `[settings]`, and then the default
    holds. A path that is written in the file starts from the file's folder. In place of `<NAME>` the environment may
    give `<NAME>_FILE`, the path of a file with the value: secrets come that way, and addresses that hold one. Raises
    `SettingsInvalid` with all mistakes at once; keys in those tables that are no settings are mistakes too.
    """
    settings: S = _Loading(settings_type, service, environ).result()
    return settings


class _Loading:
    """One reading of the settings; collects mistakes on its way."""

    def __init__(self, settings_type: type[Any], service: str, environ: Mapping[str, str]) -> None:
        self._type = settings_type
        self._service = service
        self._environ = environ
        self._fields = fields_of(settings_type)
        self._mistakes: list[Mistake] = []
        self._file_name = environ.get(CONFIG_FILE, "")
        self._file = self._read_file()
        self._tables = [self._table("services", service, "settings"), self._table("settings")]

    def result(self) -> Any:
        self._refuse_unknown_keys()
        values = self._values()
        self._refuse_missing_secrets(values)
        settings = self._made_of(values) if not self._mistakes else None
        if self._mistakes:
            raise SettingsInvalid(self._service, self._mistakes)
        return settings

    def _values(self) -> dict[str, Any]:
        """The good values of all fields that were found."""
        values = {}
        for field in self._fields:
            found = self._find(field)
            if found is not None:
                try:
                    values[field.name] = converted(field, found)
                except ValueError as error:
                    self._mistake(found.where, str(error))
            elif field.required:
                where = field.env_names[0] if field.env_names else f"[{field.setting.section}]"
                self._mistake(where, f"is missing: {field.setting.description or 'it has no default.'}")
        return values

    def _find(self, field: SettingField) -> Found | None:
        return self._in_environment(field) or self._in_file(field)

    def _in_environment(self, field: SettingField) -> Found | None:
        given = [
            Found(self._environ[name], f"{name} in the environment", written_as_text=True)
            for name in field.env_names
            if self._environ.get(name)
        ]
        given += self._in_files(field)
        for other in given[1:]:
            if other.value != given[0].value:
                self._mistake(other.where, f"says something else than {given[0].where}; keep one of them.")
        return given[0] if given else None

    def _in_files(self, field: SettingField) -> Iterable[Found]:
        for name in field.env_names:
            path = self._environ.get(name + _FILE_SUFFIX)
            if path:
                where = f"{name}{_FILE_SUFFIX} in the environment"
                try:
                    yield Found(Path(path).read_text().strip(), where, written_as_text=True)
                except (OSError, UnicodeDecodeError) as error:
                    self._mistake(where, f"names {path}, which cannot be read: {_reason(error)}.")

    def _in_file(self, field: SettingField) -> Found | None:
        if field.setting.section:
            return self._in_section(field.setting.section)
        for table in self._tables:
            if field.name in table.values:
                value = self._seen_from_file(field, table.values[field.name])
                return Found(value, table.where(field.name), written_as_text=False)
        return None

    def _seen_from_file(self, field: SettingField, value: object) -> object:
        if isinstance(value, str) and Path in parts_of(field.type):
            return str(Path(self._file_name).parent / value)
        return value

    def _in_section(self, section: str) -> Found | None:
        """The section, and over it what `[services.<service>.<section>]` says."""
        *outer, last = section.split(".")
        tables = [self._table(*outer), self._table("services", self._service, *outer)]
        given = [table.values[last] for table in tables if last in table.values]
        if not given:
            return None
        return Found(_over(given), f"[{section}] in {self._file_name}", written_as_text=False)

    def _read_file(self) -> Mapping[str, object]:
        if not self._file_name:
            return {}
        try:
            return tomllib.loads(Path(self._file_name).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self._mistake(self._file_name, f"is not TOML: {error}.")
        except OSError as error:
            self._mistake(
                f"{CONFIG_FILE} in the environment",
                f"names {self._file_name}, which cannot be read: {_reason(error)}.",
            )
        return {}

    def _table(self, *path: str) -> Table:
        """The table at `path` of the file; an empty one when it is not there."""
        values: object = self._file
        for depth, key in enumerate(path, start=1):
            values = values.get(key, {})  # type: ignore[attr-defined]  # a mapping, see below
            if not isinstance(values, Mapping):
                self._mistake(f"{'.'.join(path[:depth])} in {self._file_name}", "must be a table.")
                values = {}
        return Table(values, f"[{'.'.join(path)}] of {self._file_name}")  # type: ignore[arg-type]  # checked

    def _refuse_unknown_keys(self) -> None:
        known = [field.name for field in self._fields if not field.setting.section]
        for table in self._tables:
            for key in table.values:
                if key not in known:
                    hint = _did_you_mean(key, known)
                    self._mistake(table.where(key), f"is not a setting of {self._service}.{hint}")

    def _refuse_missing_secrets(self, values: Mapping[str, Any]) -> None:
        """In production a secret must be given, and must not be the one that everybody can read here."""
        environment = next((f for f in self._fields if f.name == "environment"), None)
        if environment is None or values.get("environment", environment.default) != "production":
            return
        for field in self._fields:
            if field.secret and not self._is_given(field, values):
                self._mistake(field.env_names[0], "must be given in production: your own, not the default.")

    def _is_given(self, field: SettingField, values: Mapping[str, Any]) -> bool:
        if field.name not in values:
            return field.required or (field.optional and field.default is None)
        return bool(values[field.name]) and values[field.name] != field.default

    def _made_of(self, values: Mapping[str, Any]) -> Any:
        try:
            return self._type(**values)
        except ValueError as error:
            self._mistake("together they", f"do not work: {error}")
            return None

    def _mistake(self, where: str, sentence: str) -> None:
        self._mistakes.append(Mistake(where, sentence))


def _over(layers: Sequence[object]) -> object:
    """The last of the layers; where they are tables, with everything that only earlier ones have."""
    under, *rest = layers
    for over in rest:
        if isinstance(under, Mapping) and isinstance(over, Mapping):
            both = {key: _over([under[key], over[key]]) for key in under.keys() & over.keys()}
            under = {**under, **over, **both}
        else:
            under = over
    return under


def converted(field: SettingField, found: Found) -> Any:
    """The value as the field's type has it; ValueError says what is wrong with it."""
    value = found.value
    if found.written_as_text:
        value = _from_text(field, str(value))
    try:
        result = msgspec.convert(value, field.type, strict=not found.written_as_text, dec_hook=_custom_type)
    except msgspec.ValidationError as error:
        raise ValueError(_why_not(field, found, error)) from error
    _check(field, result)
    return result


def _from_text(field: SettingField, text: str) -> object:
    """Lists are words with commas between, or JSON like every other composed value."""
    if any(part in {str, Secret, Path} for part in parts_of(field.type)):
        return text
    if text.lstrip().startswith(("[", "{")):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise ValueError(f"is not JSON: {error}.") from error
    if _is_list(field):
        return [word.strip() for word in text.split(",") if word.strip()]
    return text


def _is_list(field: SettingField) -> bool:
    return any(is_list(part) for part in parts_of(field.type))


def _custom_type(wanted: type, value: object) -> object:
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
    return wanted(value)


def _why_not(field: SettingField, found: Found, error: msgspec.ValidationError) -> str:
    """The end of a sentence; never with the value of a secret."""
    if field.secret:
        return f"is not {expectation(field.type)}."
    if not found.written_as_text and " - at `" in str(error):
        return f"is not right: {error}."
    shown = without_credentials(repr(found.value))
    hint = _did_you_mean(str(found.value), choices(field.type), closeness=0.5)
    commas = ", with commas between," if found.written_as_text and _is_list(field) else ""
    return f"is {shown}: {expectation(field.type)}{commas} is needed.{hint}"


def _check(field: SettingField, value: object) -> None:
    if field.setting.check is None or value is None:
        return
    try:
        field.setting.check(value)
    except ValueError as error:
        shown = "not right" if field.secret else without_credentials(repr(value))
        raise ValueError(f"is {shown}: {str(error).rstrip('.')}.") from error


def _did_you_mean(word: str, known: Iterable[str], closeness: float = 0.7) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=closeness)
    return f" Did you mean {close[0]}?" if close else ""


def _reason(error: Exception) -> str:
    """`No such file or directory`, without number and path."""
    return (getattr(error, "strerror", None) or str(error)).lower()
