"""Every setting of the service, read once from ``INDEXTTS_*`` variables.

``model`` declares them, ``fields`` parses and shows one, ``source`` reads the environment and an
optional file.  ``python -m app.settings`` writes the tables of the README.
"""

from app.settings.fields import SettingsError
from app.settings.model import Settings
from app.settings.source import load_for_start, load_settings

__all__ = ["Settings", "SettingsError", "load_for_start", "load_settings"]
