"""Hostile URLs against real listeners on private addresses, in a network namespace."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.app.gunicorn_server import ROOT

UNSHARE = ("unshare", "--user", "--map-root-user", "--net")


def can_unshare() -> bool:
    tools = shutil.which("unshare") and shutil.which("ip")
    if not tools:
        return False
    tried = subprocess.run((*UNSHARE, "ip", "link", "set", "lo", "up"), capture_output=True)
    return tried.returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="no network namespace can be made here")
def test_no_private_listener_sees_a_connection() -> None:
    command = (*UNSHARE, sys.executable, "-m", "tests.app.clips.fetch.namespace_probe")
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert result["urls"] > 120
    assert result["reached"] == []
    assert result["control"] == 1  # the listeners listen, and one who may gets through
