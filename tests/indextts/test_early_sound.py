"""The first sound of a stream in the class "fast": in parts, and the same in all."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from indextts.cli.outputs import FileOutput, PipeOutput, SubtitleOutput
from indextts.errors import NonFiniteAudioError
from indextts.infer_v2 import IndexTTS2
from indextts.quality import FastClass
from indextts.request import (
    Control,
    EarlySound,
    ReferenceAudio,
    SegmentAudio,
    Sound,
    SynthesisRequest,
)
from indextts.sampling import SamplingChanges
from indextts.stages.vocoder import EARLY_PARTS, Voicing
from indextts.stream import SpeechStream
from indextts.utils.audio_file import read_audio
from indextts.utils.pcm import pcm16
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice

HOP = 256


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> IndexTTS2:
    # In float32, both classes speak the same codes.
    return IndexTTS2(tiny_model_dir, device="cpu", fast=FastClass("fp32"))


@pytest.fixture(scope="module")
def asked() -> SynthesisRequest:
    return SynthesisRequest(
        " ".join(SENTENCES[:2]),
        ReferenceAudio(voice(1, 2.0), SAMPLE_RATE),
        seed=7,
        quality="fast",
        quick_streaming_tokens=10,
        max_text_tokens_per_segment=20,
        speed=0.5,
        sampling=SamplingChanges(num_beams=1),
    )


def sounds_of(stream: SpeechStream) -> list[Sound]:
    sounds = []
    with stream:
        while (sound := stream.next_sound()) is not None:
            sounds.append(sound)
    return sounds


def heard(sounds: list[Sound]) -> NDArray[np.float32]:
    return np.concatenate([sound.rest() for sound in sounds])


def test_the_first_segment_comes_in_parts(engine: IndexTTS2, asked: SynthesisRequest) -> None:
    sounds = sounds_of(engine.stream(asked))
    early = [sound for sound in sounds if isinstance(sound, EarlySound)]
    segments = [sound for sound in sounds if isinstance(sound, SegmentAudio)]
    assert len(segments) > 1
    assert sounds == [*early, *segments]
    assert [len(part.waveform) for part in early] == [HOP * n for n in EARLY_PARTS[: len(early)]]
    assert [part.start for part in early] == [0, *(part.end for part in early[:-1])]
    assert {(part.index, part.sample_rate) for part in early} == {(0, SAMPLE_RATE)}
    assert segments[0].early == early[-1].end < len(segments[0].waveform)
    assert [segment.early for segment in segments[1:]] == [0] * (len(segments) - 1)
    whole = engine.synthesize(asked)
    assert heard(sounds).tobytes() == whole.waveform.tobytes(), "however it is taken"
    segments_only = list(engine.stream(asked))
    assert [s.codes.tolist() for s in segments_only] == [s.codes.tolist() for s in segments]
    in_one = engine.synthesize(replace(asked, quality="exact"))
    np.testing.assert_allclose(whole.waveform, in_one.waveform, atol=1e-4)


@pytest.mark.parametrize("other", [{"quality": "exact"}, {"quick_streaming_tokens": 0}])
def test_nothing_else_does(
    engine: IndexTTS2, asked: SynthesisRequest, other: dict[str, object]
) -> None:
    sounds = sounds_of(engine.stream(replace(asked, **other)))  # type: ignore[arg-type]
    assert all(isinstance(sound, SegmentAudio) and not sound.early for sound in sounds)


def test_silence_in_front_comes_with_the_first_part(
    engine: IndexTTS2, asked: SynthesisRequest
) -> None:
    sounds = sounds_of(engine.stream(replace(asked, text="[pause 100ms] " + asked.text)))
    lead = SAMPLE_RATE // 10
    first = sounds[0]
    assert isinstance(first, EarlySound)
    assert not first.waveform[:lead].any()
    assert len(first.waveform) == lead + HOP * EARLY_PARTS[0]
    segment = next(sound for sound in sounds if isinstance(sound, SegmentAudio))
    assert segment.lead == lead
    np.testing.assert_array_equal(
        heard(sounds)[: lead + len(segment.waveform)],
        segment.with_pause()[: lead + len(segment.waveform)],
    )


def test_the_first_part_is_out_before_the_next_is_made(
    engine: IndexTTS2, asked: SynthesisRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, next_part = [0], Voicing.next_part

    def counting(self: Voicing) -> object:
        made[0] += 1
        return next_part(self)

    monkeypatch.setattr(Voicing, "next_part", counting)
    with engine.stream(asked) as stream:
        assert isinstance(stream.next_sound(), EarlySound)
        assert made == [1]


def test_leaving_between_two_parts_leaves_nothing(
    engine: IndexTTS2, asked: SynthesisRequest
) -> None:
    with engine.stream(asked) as stream:
        assert isinstance(stream.next_sound(), EarlySound)
        assert engine.stats().runs == 1
    assert stream.next_sound() is None
    stats = engine.stats()
    assert (stats.runs, stats.decoding, stats.flowing, stats.voicing) == (0, 0, 0, 0)


@pytest.mark.parametrize("broken_part", [1, 2])
def test_a_part_that_fails_ends_the_request(
    engine: IndexTTS2,
    asked: SynthesisRequest,
    monkeypatch: pytest.MonkeyPatch,
    broken_part: int,
) -> None:
    asks, next_part = [0], Voicing.next_part

    def breaking(self: Voicing) -> object:
        asks[0] += 1
        if asks[0] == broken_part:
            raise NonFiniteAudioError("broken")
        return next_part(self)

    monkeypatch.setattr(Voicing, "next_part", breaking)
    stream = engine.stream(asked)
    for _ in range(broken_part - 1):
        assert isinstance(stream.next_sound(), EarlySound)
    with pytest.raises(NonFiniteAudioError):
        stream.next_sound()
    assert engine.stats().runs == 0


def test_a_part_for_which_there_was_no_memory_comes_once_all_the_same(
    engine: IndexTTS2, asked: SynthesisRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In company, where memory can be made."""
    expected = engine.synthesize(asked).waveform
    starved, next_part = [False], Voicing.next_part

    def starving(self: Voicing) -> object:
        if self._parts[0].keep_from == EARLY_PARTS[0] and not starved[0]:
            starved[0] = True
            raise torch.OutOfMemoryError("CUDA out of memory")
        return next_part(self)

    # Long, so that it is still there.
    beside = engine.submit(replace(asked, quick_streaming_tokens=0, text=12 * asked.text))
    speaking = engine.submit(asked)
    monkeypatch.setattr(Voicing, "next_part", starving)
    sounds: list[Sound] = []
    while engine.tick():
        sounds += speaking.take()
    sounds += speaking.take()
    assert (speaking.error, beside.error) == (None, None)
    assert engine.stats().out_of_memory == 1
    np.testing.assert_allclose(heard(sounds), expected, atol=1e-4)


def test_what_goes_where(engine: IndexTTS2, asked: SynthesisRequest, tmp_path: Path) -> None:
    """The command line's places: a pipe takes parts, files take segments."""

    class Pipe(io.BytesIO):
        sizes: tuple[int, ...] = ()

        def flush(self) -> None:
            self.sizes += (self.tell(),)

    pipe = Pipe()
    outputs = (
        PipeOutput(pipe), FileOutput(tmp_path / "a.wav"), SubtitleOutput(tmp_path / "a.srt")
    )  # fmt: skip
    with engine.stream(asked, Control()) as stream:
        while (sound := stream.next_sound()) is not None:
            for output in outputs:
                output.write(sound)
    for output in outputs:
        output.finish()
    whole = engine.synthesize(asked)
    assert pipe.sizes[0] == 44 + 2 * HOP * EARLY_PARTS[0]
    assert pipe.getvalue()[44:] == pcm16(whole.waveform).astype("<i2").tobytes()
    assert len(read_audio(tmp_path / "a.wav").samples) == len(whole.waveform)
    assert (tmp_path / "a.srt").read_text().count("-->") == len(whole.segments)
