"""What a request takes, before any model sees it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indextts.errors import AudioError, RequestError
from indextts.original_call import OriginalCall
from indextts.request import Control, ReferenceAudio, Synthesis, SynthesisRequest
from indextts.utils.audio_file import read_audio
from tests.indextts.asking import clip, request


class NeverSpeaks(OriginalCall):
    """An engine that must not be asked."""

    @property
    def sample_rate(self) -> int:
        return 24000

    def synthesize(self, request: SynthesisRequest, control: Control | None = None) -> Synthesis:
        raise AssertionError("the work was begun")


def test_a_path_is_no_voice_and_the_error_says_what_makes_one() -> None:
    for wrong in ("clip.flac", Path("clip.flac"), b"RIFF", np.zeros(9, np.float32), None):
        with pytest.raises(RequestError, match=r"speaker must be a ReferenceAudio.*read_audio\("):
            SynthesisRequest("Hi", wrong)  # type: ignore[arg-type]
        if wrong is not None:
            with pytest.raises(RequestError, match=r"emotion must be a ReferenceAudio"):
                request(emotion=wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", b"Hi"),
        ("text", None),
        ("emo_text", 3),
        ("emo_alpha", "1"),
        ("emo_alpha", True),
        ("emo_alpha", math.nan),
        ("emo_vector", 0.5),
        ("emo_vector", "00000000"),
        ("emo_vector", (0.1,) * 7),
        ("emo_vector", ("0.1",) * 8),
        ("emo_vector", (math.nan,) * 8),
        ("use_random", "false"),
        ("pauses", 0),
        ("seed", 1.5),
        ("seed", "7"),
        ("seed", True),
        ("speed", "fast"),
        ("interval_silence", 0.5),
        ("max_text_tokens_per_segment", "120"),
        ("quick_streaming_tokens", False),
        ("segments_per_batch", 1.5),
        ("max_audio_seconds", "60"),
        ("max_audio_seconds", math.nan),
        ("sampling", {"top_k": 30}),
    ],
)
def test_a_wrong_type_is_refused_when_the_request_is_made(name: str, value: object) -> None:
    options: dict[str, Any] = {"text": "Hi", "speaker": clip(1), name: value}
    with pytest.raises(RequestError, match=rf"^{name}\b.* must "):
        SynthesisRequest(**options)


def test_a_request_holds_plain_numbers() -> None:
    made = request(
        interval_silence=200.0,
        max_text_tokens_per_segment=np.int16(120),
        quick_streaming_tokens=np.float64(24),
        segments_per_batch=np.uint8(4),
        speed=1,
        emo_alpha=np.float32(0.5),
        emo_vector=np.full(8, 0.125, np.float32),
        seed=np.int64(7),
    )
    whole = (made.interval_silence, made.max_text_tokens_per_segment, made.quick_streaming_tokens)
    for value in (*whole, made.segments_per_batch, made.seed):
        assert type(value) is int
    assert made.emo_vector == (0.125,) * 8
    for number in (made.speed, made.emo_alpha, *made.emo_vector):
        assert type(number) is float


@pytest.mark.parametrize(
    "options",
    [
        {"interval_silence": "200"},
        {"interval_silence": 0.5},
        {"num_beams": 2.5},
        {"top_k": "30"},
        {"max_text_tokens_per_segment": None},
        {"emo_vector": 0.5},
        {"emo_vector": [0.1, 0.2]},
        {"emo_vector": ["much"] * 8},
        {"temperature": 1e-39},
    ],
)
def test_infer_refuses_a_wrong_argument_before_the_work(options: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=rf"^{next(iter(options))}\b.* must "):
        NeverSpeaks().infer(clip(1), "Hi", **options)


def test_what_is_no_sound_file_is_no_clip() -> None:
    for wrong in (None, 5, np.zeros(9, np.float32)):
        with pytest.raises(AudioError, match=r"a path or from the bytes of a file"):
            read_audio(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("samples", "rate", "said"),
    [
        ([0.0] * 9, 16000, "must be a NumPy array, got a list"),
        (np.zeros(9), 16000, "must be float32"),
        (np.zeros(9, np.float32), 16000.5, "sample rate of a clip must be a whole number"),
        (np.zeros(9, np.float32), "16000", "sample rate of a clip must be a whole number"),
        (np.zeros(9, np.float32), True, "sample rate of a clip must be a whole number"),
        (np.zeros(9, np.float32), 0, "positive sample rate"),
    ],
)
def test_samples_and_rates_of_other_types_are_refused(samples: Any, rate: Any, said: str) -> None:
    with pytest.raises(AudioError, match=said):
        ReferenceAudio(samples, rate)


def test_a_rate_of_any_kind_makes_the_same_clip() -> None:
    samples = np.zeros(9, np.float32)
    kinds: tuple[Any, ...] = (16000, 16000.0, np.int32(16000))
    assert len({ReferenceAudio(samples, rate).digest for rate in kinds}) == 1
