"""The 258 cases of goldens/text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.indextts.goldens import SHARED, json_file

BPE_MODEL: Path = SHARED / "assets" / "bpe.model"


def cases() -> list[dict[str, Any]]:
    loaded = json_file("text/cases.json")
    assert len(loaded) == 258
    return list(loaded)


def normalized_cases() -> list[dict[str, Any]]:
    """Those whose tokens come from the normalised text; a single character is taken raw."""
    return [case for case in cases() if len(case["input"].strip()) != 1]
