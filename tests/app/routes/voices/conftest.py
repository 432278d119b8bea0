from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.app.conftest import AppMaker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "voices"


@pytest.fixture
def client(make_app: AppMaker, folder: Path) -> FlaskClient:
    return make_app(voices_dir=str(folder), voices_write=True).test_client()
