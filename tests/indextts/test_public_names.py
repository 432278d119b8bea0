"""``import indextts``: its public names, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import indextts


@pytest.mark.parametrize("name", indextts.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(indextts, name) is not None
    assert name in dir(indextts)


def test_they_are_the_names_of_the_modules() -> None:
    from indextts.infer_v2 import IndexTTS2
    from indextts.request import SynthesisRequest

    assert indextts.IndexTTS2 is IndexTTS2
    assert indextts.SynthesisRequest is SynthesisRequest
    with pytest.raises(AttributeError, match="nonsense"):
        _ = indextts.nonsense


def test_importing_it_brings_no_torch() -> None:
    program = (
        "import sys; from indextts import SynthesisRequest; "
        "sys.exit(f'torch in {__name__}' if 'torch' in sys.modules else 0)"
    )
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)
