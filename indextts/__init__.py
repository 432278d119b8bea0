"""IndexTTS2 inference in plain PyTorch.

    from indextts import IndexTTS2, SynthesisRequest, read_audio

    engine = IndexTTS2()
    request = SynthesisRequest("Hello there.", read_audio("voice.wav"))
    result = engine.synthesize(request)

The public surface is small: :class:`IndexTTS2` loads a model directory,
:mod:`indextts.request` holds what goes in and what comes out, and
:mod:`indextts.errors` what can go wrong.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indextts.infer_v2 import IndexTTS2
    from indextts.request import ReferenceAudio, SynthesisRequest
    from indextts.utils.audio_file import read_audio

__version__ = "0.1.0"

__all__ = ["IndexTTS2", "ReferenceAudio", "SynthesisRequest", "__version__", "read_audio"]


def __getattr__(name: str) -> object:
    """The public names, imported when they are used: torch takes seconds to load (PEP 562)."""
    if name == "IndexTTS2":
        module = "indextts.infer_v2"
    elif name in ("ReferenceAudio", "SynthesisRequest"):
        module = "indextts.request"
    elif name == "read_audio":
        module = "indextts.utils.audio_file"
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
