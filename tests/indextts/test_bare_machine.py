"""The engine with nothing installed but what computes: see docs/gpu.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bare_machine import PREAMBLE
from tests.indextts.tiny_model import write_tiny_model

ROOT = Path(__file__).resolve().parents[2]
SPEAK = """
import sys
from indextts.errors import ConfigError
from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio, SynthesisRequest
from indextts.utils.audio_file import read_audio, write_wav
from tests.indextts.tiny_model import SAMPLE_RATE, voice

folder = sys.argv[1]

def error_of(work):
    try:
        work()
    except ConfigError as error:
        return str(error)
    raise SystemExit("no error")

assert "pip install wetext" in error_of(lambda: IndexTTS2(folder, device="cpu"))
engine = IndexTTS2(folder, device="cpu", verbalizer="none")
clip = ReferenceAudio(voice(1), SAMPLE_RATE)
request = SynthesisRequest("Hello, this is a small test.", clip, seed=1)
result = engine.synthesize(request)
assert len(result.waveform) > 1000
write_wav(folder + "/out.wav", result.waveform, result.sample_rate)
assert "pip install 'soundfile" in error_of(lambda: read_audio(folder + "/out.wav"))
odd = SynthesisRequest("Hello.", ReferenceAudio(voice(1, rate=22051), 22051))
assert "pip install 'soxr" in error_of(lambda: engine.synthesize(odd))
"""


@pytest.mark.parametrize(
    "script",
    ["import indextts.infer_v2", "import app.inference", SPEAK],
    ids=("engine", "runner", "speak"),
)
def test_the_engine_runs_with_the_packages_that_compute(script: str, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + script, str(model)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
