"""Packages that only some of the work needs: imported when it is asked for."""

from __future__ import annotations

import importlib
import shlex
from typing import Any

from indextts.errors import ConfigError


def require(module: str, requirement: str, purpose: str) -> Any:
    """Import a package.

    Args:
        module: what to import.
        requirement: what ``pip install`` takes.
        purpose: what cannot be done without it, as the subject of the error's sentence.

    Raises:
        ConfigError: it is not installed, or a library that it loads is missing.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise ConfigError(
            f"{purpose} needs a package that is not installed or does not load: "
            f"pip install {shlex.quote(requirement)} ({error})"
        ) from error
