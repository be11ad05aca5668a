"""What a settings type says about its fields: names, sources, defaults and words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from atoll.settings.secret import Secret


@dataclass(frozen=True, slots=True)
class Setting:
    """Metadata of one setting, written in `Annotated[type, Setting("What it is for.")]`.

    `env` is its name in the environment when that is not the field's name in capitals; `aliases` are further
    names there. `section` is the dotted path of the table in the file that holds it, for what is no plain
    setting (`gateway.routes`); such a field is not read from the environment. `check` gets the
    value and raises ValueError, with what to write instead, when it will not do.
    """

    description: str
    env: str = ""
    aliases: tuple[str, ...] = ()
    section: str = ""
    check: Callable[[Any], object] | None = None


@dataclass(frozen=True, slots=True)
class SettingField:
    """One field of a settings type, with everything that loading and documenting it takes."""

    name: str
    type: Any
    setting: Setting
    default: Any
    """The default value, or `msgspec.NODEFAULT`."""

    @property
    def required(self) -> bool:
        return self.default is msgspec.NODEFAULT

    @property
    def env_names(self) -> tuple[str, ...]:
        """Its names in the environment, the one to recommend first."""
        if self.setting.section:
            return ()
        return (self.setting.env or self.name.upper(), *self.setting.aliases)

    @property
    def secret(self) -> bool:
        return any(part is Secret for part in parts_of(self.type))

    @property
    def optional(self) -> bool:
        """Whether None is a value of it."""
        return type(None) in parts_of(self.type)


def fields_of(settings_type: type[msgspec.Struct]) -> list[SettingField]:
    """The fields of a settings type, in the order of definition."""
    hints = get_type_hints(settings_type, include_extras=True)
    return [
        SettingField(field.name, hints[field.name], _setting_in(hints[field.name]), _default_of(field))
        for field in msgspec.structs.fields(settings_type)
    ]


def without_annotation(annotation: Any) -> Any:
    """`Annotated[int, …]` is int; anything else is itself."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def parts_of(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; a type that is none is its own only member."""
    bare = without_annotation(annotation)
    members = get_args(bare) if is_union(bare) else ()
    return tuple(part for member in members for part in parts_of(member)) or (bare,)


def is_union(annotation: Any) -> bool:
    import types
    import typing

    return get_origin(annotation) in {typing.Union, types.UnionType}


def _setting_in(annotation: Any) -> Setting:
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, Setting):
                return extra
    return Setting("")


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
