"""Typed settings, read once, passed down in pieces."""

from atoll.settings.expectations import expectation
from atoll.settings.fields import Setting, SettingField, fields_of
from atoll.settings.loading import Mistake, SettingsInvalid, load_settings
from atoll.settings.secret import Secret
from atoll.settings.service_settings import DEVELOPMENT_SECRET, Environment, Port, ServiceSettings
from atoll.settings.urls import http_url, service_address, without_credentials

__all__ = [
    "DEVELOPMENT_SECRET",
    "Environment",
    "Mistake",
    "Port",
    "Secret",
    "ServiceSettings",
    "Setting",
    "SettingField",
    "SettingsInvalid",
    "expectation",
    "fields_of",
    "http_url",
    "load_settings",
    "service_address",
    "without_credentials",
]
