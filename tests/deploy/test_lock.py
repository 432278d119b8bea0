"""requirements.lock: complete, hashed, in step with constraints.txt and pyproject.toml."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.tools import ROOT

pytestmark = pytest.mark.deploy

TEXT = (ROOT / "requirements.lock").read_text()


def _locked() -> dict[str, Requirement]:
    """Name -> pin."""
    found = {}
    for block in re.split(r"\n(?=\S)", TEXT):
        line, *hashes = (part.strip() for part in block.split("\\\n"))
        assert hashes, line
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", part) for part in hashes), line
        requirement = Requirement(line)
        found[canonicalize_name(requirement.name)] = requirement
    return found


def _version(requirement: Requirement) -> str:
    (pin,) = requirement.specifier
    assert pin.operator == "=="
    return pin.version


def test_no_index_is_named() -> None:
    assert not re.search(r"https?://|index-url|find-links", TEXT)


def test_versions_are_those_that_the_tests_run_with() -> None:
    locked = _locked()
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line)
            pins[canonicalize_name(requirement.name)] = _version(requirement)
    shared = {name: _version(pin) for name, pin in locked.items() if name in pins}
    assert shared == {name: pins[name] for name in shared}
    # What is not pinned there serves other platforms or Python versions, or builds packages.
    assert all(locked[name].marker for name in locked.keys() - pins - {"setuptools"})


def test_everything_that_the_project_needs_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    locked = _locked()
    for line in (*project["dependencies"], *optional["jwt"], *optional["redis"]):
        wanted = Requirement(line)
        version = _version(locked[canonicalize_name(wanted.name)])
        assert wanted.specifier.contains(version), line
