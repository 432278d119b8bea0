"""The benchmark of the first sound, against the service with the stand-in engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.first_sound import main
from tests.app.gunicorn_server import running_server


@pytest.mark.deploy
def test_each_class_has_its_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--texts", "short", "--clients", "1", "--rounds", "1"]
    with running_server(tmp_path, "", quality="fast") as server:
        assert main(["--url", server.url, *few, "--quality", "exact", "fast"]) == 0
        assert main(["--url", server.url, *few]) == 0
    rows = [line.split(" | ")[0] for line in capsys.readouterr().out.splitlines()]
    assert rows == ["| class", "| ---", "| exact", "| fast", "| class", "| ---", "| fast"]
