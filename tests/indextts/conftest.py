from __future__ import annotations

from pathlib import Path

import pytest

from indextts.infer_v2 import IndexTTS2


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> IndexTTS2:
    return IndexTTS2(tiny_model_dir, device="cpu")
