"""A Python that has nothing but torch, torchaudio, transformers and what these need themselves."""

from __future__ import annotations

ABSENT = (
    *("soundfile", "soxr", "wetext", "kaldifst", "tn", "cffi", "contractions", "deepspeed"),
    *("flask", "werkzeug", "gunicorn", "marshmallow", "apispec", "prometheus_client"),
    *("pythonjsonlogger", "hypothesis", "schemathesis", "redis", "jwt"),
)
"""Packages of pyproject.toml that such a machine lacks."""

PREAMBLE = f"""
import sys
from importlib.machinery import PathFinder

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            return None
        return super().find_spec(name, path, target)

sys.meta_path = [Bare if finder is PathFinder else finder for finder in sys.meta_path]
"""
"""Source to run first, or to be a ``sitecustomize.py``."""
