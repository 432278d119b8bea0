"""The load benchmark: it serves what it says, and sees a difference where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.load import compare, main, measure
from benchmarks.load_requests import make_requests
from benchmarks.load_targets import EngineTarget, Heard, read_wave
from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio
from tests.app.conftest import wave_bytes
from tests.indextts.tiny_model import SAMPLE_RATE, voice


@pytest.fixture(scope="module")
def target(tiny_model_dir: Path) -> EngineTarget:
    clips = [ReferenceAudio(voice(seed, 0.6), SAMPLE_RATE) for seed in range(3)]
    return EngineTarget(IndexTTS2(tiny_model_dir, device="cpu", max_batch=3), clips)


def test_every_client_is_served_and_company_changes_nothing(target: EngineTarget) -> None:
    load = make_requests(8, [0, 1], [2], 12)
    assert {request.language for request in load} == {"en", "zh"}
    assert load == make_requests(8, [0, 1], [2], 12)
    alone, first = measure(target, load, 1, None)
    for at_once, rate in ((3, None), (8, 50.0)):
        heard, level = measure(target, load, at_once, rate)
        assert sorted(one.number for one in heard) == list(range(8))
        assert all(0 < one.first_sound <= one.total for one in heard)
        assert level.work.occupancy > first.work.occupancy
        text, same = compare(heard, {one.number: one for one in alone})
        assert same, text
        assert len(level.markdown(first).split("|")) == 13


def test_a_difference_is_seen() -> None:
    alone = {1: Heard(1, samples=np.zeros(4, np.float32), rate=10, codes=[[1, 2]])}
    other = Heard(1, samples=np.full(4, 0.01, np.float32), rate=10, codes=[[1, 2]])
    assert compare([other], alone)[1] is False
    other = Heard(1, samples=np.zeros(4, np.float32), rate=10, codes=[[1, 3]])
    assert compare([other], alone)[1] is False


def test_a_wave_whose_header_does_not_know_its_length_is_read() -> None:
    samples, rate = read_wave(wave_bytes(0.5, 16000))
    assert (len(samples), rate) == (8000, 16000)


def test_it_runs_from_the_command_line(
    tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model-dir", str(tiny_model_dir), "--codes", "10", "--requests", "4", "--check"]
    assert main([*arguments, "--concurrency", "1", "4"]) == 0
    assert "codes 4/4, sound 4/4" in capsys.readouterr().out
