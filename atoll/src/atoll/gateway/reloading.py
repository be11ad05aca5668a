"""Routes and limits read again on SIGHUP: checked first, then put in place of the old ones in one step."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from atoll.gateway.settings import GATEWAY, GatewaySettings
from atoll.observability.logging import get_logger
from atoll.settings import SettingsInvalid, load_settings

APPLIED = ("routes", "limits", "development_limits", "cors")
"""The settings that can change while the gateway runs; the others need a restart."""

log = get_logger()


def settings_as_written() -> GatewaySettings:
    """The settings as the environment and the system file have them now; raises `SettingsInvalid`."""
    return load_settings(GatewaySettings, GATEWAY)


class Reloading:
    """Within, SIGHUP reads the settings again with `load`. `apply` is given the new ones, or raises `SettingsInvalid`.

    What cannot be used changes nothing: a line in the log says what is wrong, and the old settings stay. Connections
    and requests in hand never notice.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        apply: Callable[[GatewaySettings], None],
        load: Callable[[], GatewaySettings],
    ) -> None:
        self._settings = settings
        self._apply = apply
        self._load = load

    def reload(self) -> bool:
        """Read the settings again; whether they hold now."""
        try:
            found = self._load()
            self._apply(found)
        except SettingsInvalid as error:
            log.error("settings not reloaded; the old ones stay", reason=str(error))  # noqa: TRY400 - it says it all
            return False
        waiting = [
            name
            for name in GatewaySettings.__struct_fields__
            if name not in APPLIED and getattr(found, name) != getattr(self._settings, name)
        ]
        self._settings = msgspec.structs.replace(self._settings, **{name: getattr(found, name) for name in APPLIED})
        log.info("settings reloaded", routes=len(found.routes), need_a_restart=", ".join(waiting) or "nothing")
        return True

    async def __aenter__(self) -> Self:
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reload)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if hasattr(signal, "SIGHUP"):
            with contextlib.suppress(RuntimeError, ValueError):
                asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
