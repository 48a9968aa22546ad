"""Reads the settings: the model of settings.yaml, how values are written, and where they come from."""

from imges.settings.data_dir import prepare_data_dir
from imges.settings.loading import PREFIX, SECRETS, load_settings, settings_file, unread_variables
from imges.settings.model import Api, Images, Limits, Section, Server, Settings, Urls

__all__ = [
    "PREFIX",
    "SECRETS",
    "Api",
    "Images",
    "Limits",
    "Section",
    "Server",
    "Settings",
    "Urls",
    "load_settings",
    "prepare_data_dir",
    "settings_file",
    "unread_variables",
]
