"""The whole engine on a pretend GPU: placement, waits, recordings, and the codes of the CPU."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from indextts.infer_v2 import IndexTTS2
from indextts.request import ReferenceAudio, Synthesis, SynthesisRequest
from indextts.sampling import SamplingChanges, SamplingOptions
from indextts.stages.decoding import noise
from indextts.stages.decoding.cuda_graph import GraphedSession
from indextts.stages.decoding.session import NativeSession
from indextts.stages.emotion_text import EmotionReader
from indextts.stages.flow_matching import FlowGroup
from indextts.stages.recorder import GraphRecorder
from indextts.stages.semantic_features import SemanticFeatures
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.stages.vocoder import Voicing
from indextts.warm_up import sizes
from tests.indextts.pretend_cuda import PretendCuda
from tests.indextts.tiny_model import SAMPLE_RATE, SENTENCES, voice

pytestmark = pytest.mark.slow

REQUEST = SynthesisRequest(
    " ".join(SENTENCES[:2]),
    ReferenceAudio(voice(1), SAMPLE_RATE),
    seed=7,
    max_text_tokens_per_segment=20,
    segments_per_batch=2,
    sampling=SamplingOptions(max_mel_tokens=12),
)


@pytest.fixture
def gpu() -> Iterator[PretendCuda]:
    with PretendCuda(devices=2) as pretend:
        yield pretend


def codes(result: Synthesis) -> list[list[int]]:
    return [segment.codes.tolist() for segment in result.segments]


@pytest.mark.parametrize(("precision", "beams"), [("fp32", 3), ("fp16", 3), ("bf16", 1)])
def test_the_second_gpu_speaks_the_codes_of_the_cpu(
    gpu: PretendCuda,
    tiny_model_dir: Path,
    precision: str,
    beams: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Same numbers drawn, same rounding in attention.
    monkeypatch.setattr(noise, "_ACCELERATOR_BLOCK", 1)
    monkeypatch.setattr(NativeSession, "first_window", GraphedSession.first_window)
    monkeypatch.setattr(NativeSession, "position_step", GraphedSession.position_step)
    request = replace(REQUEST, sampling=SamplingOptions(num_beams=beams, max_mel_tokens=12))
    engine = IndexTTS2(tiny_model_dir, device="cuda:1", precision=precision)
    replays = gpu.replays
    assert replays > 0, "the warm-up records"
    result = engine.synthesize(request)
    assert (engine.device, engine.precision) == ("cuda:1", precision)
    assert engine.cuda_graphs
    assert engine.device_notice == ""
    assert gpu.replays > replays
    assert not gpu.device_waits
    on_cpu = IndexTTS2(tiny_model_dir, device="cpu", precision="fp32", warm_up=False)
    if precision != "fp32":
        on_cpu.networks.gpt.to(engine.networks.gpt.dtype)
    assert codes(result) == codes(on_cpu.synthesize(request))
    assert not on_cpu.cuda_graphs


def test_an_engine_warms_up_without_a_trace(gpu: PretendCuda, tiny_model_dir: Path) -> None:
    # In fp32: windows of recorded steps are longer, and half precision would round otherwise.
    open_engine = partial(IndexTTS2, tiny_model_dir, "cuda:1", "fp32", max_batch=1)
    engine = open_engine()
    assert gpu.recordings == 1
    assert (engine.cache_stats().entries, engine.cache_stats().misses) == (0, 0)
    cold = open_engine(warm_up=False, cuda_graphs="off")
    assert gpu.recordings == 1
    assert not cold.cuda_graphs
    assert codes(cold.synthesize(REQUEST)) == codes(engine.synthesize(REQUEST))


def test_steps_of_all_sizes_are_recorded_at_load(
    gpu: PretendCuda, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [sizes(slots) for slots in (1, 4, 6)] == [[1], [4, 2, 1], [6, 4, 2, 1]]
    recordings: Counter[str] = Counter()
    record = GraphRecorder.record

    def spy(self: GraphRecorder, work: Callable[[], None]) -> torch.cuda.CUDAGraph:
        recordings[self._what] += 1
        return record(self, work)

    monkeypatch.setattr(GraphRecorder, "record", spy)
    engine = IndexTTS2(tiny_model_dir, device="cuda:1", max_batch=4)
    assert recordings["decoding steps"] == 3
    # One flow alone takes fewer steps than are worth a recording here.
    assert recordings["steps of the flow"] == 2
    assert engine.facts.flow_graphs
    for together in (1, 2, 4):
        requests = [replace(REQUEST, text="Hello.", seed=i) for i in range(together)]
        requests = [replace(one, sampling=SamplingChanges(max_mel_tokens=40)) for one in requests]
        for one in [engine.submit(request) for request in requests]:
            while not one.ended:
                one.wait()
                one.take()
            assert one.error is None
    assert recordings["decoding steps"] == 3, "other limits and clips, the same shapes"


def test_clips_are_read_on_the_cpu_and_heard_on_the_gpu(
    gpu: PretendCuda, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same codes, and nothing on the GPU that only reads clips; nor the language model."""

    def unasked(self: EmotionReader) -> None:
        raise AssertionError("nobody asked for the emotion of a text")

    monkeypatch.setattr(EmotionReader, "_load", unasked)
    request = replace(REQUEST, emotion=ReferenceAudio(voice(2), SAMPLE_RATE), emo_alpha=0.5)
    made: list[list[list[int]]] = []
    for where in ("same", "cpu"):
        engine = IndexTTS2(tiny_model_dir, "cuda:1", "fp32", encoders_device=where, max_batch=2)
        made.append(codes(engine.synthesize(request)))
        clips = engine.networks.reference
        readers = (clips.features.encoder, clips.style.encoder, clips.codec, clips.conditioner)
        expected = "cuda:1" if where == "same" else "cpu"
        assert {str(p.device) for one in readers for p in one.parameters()} == {expected}
        assert engine.facts.encoders_device == expected
        heard = engine._line.reference.voice(request.speaker)
        prompt = heard.prompt
        for tensor in (heard.latents, heard.emotion, prompt.mel, prompt.condition, prompt.style):
            assert str(tensor.device) == "cuda:1"
    assert made[0] == made[1]


@pytest.mark.parametrize("max_batch", [1, 4])
def test_threads_share_an_engine(gpu: PretendCuda, tiny_model_dir: Path, max_batch: int) -> None:
    """The same codes in company; one at a time, the same bytes."""
    engine = IndexTTS2(tiny_model_dir, device="cuda:1", warm_up=False, max_batch=max_batch)
    requests = [replace(REQUEST, text=SENTENCES[1], seed=i) for i in range(2)]
    alone = [engine.synthesize(request) for request in requests]
    together: dict[int, Synthesis] = {}

    def work(index: int) -> None:
        with gpu.here():
            together[index] = engine.synthesize(requests[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    for index, one in enumerate(alone):
        assert codes(together[index]) == codes(one)
        if max_batch == 1:
            assert together[index].waveform.tobytes() == one.waveform.tobytes()
        np.testing.assert_allclose(together[index].waveform, one.waveform, atol=1e-3)
    assert engine.cuda_graphs


def test_the_fast_class_multiplies_flow_and_vocoder_in_tf32_and_nothing_else(
    gpu: PretendCuda, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = IndexTTS2(tiny_model_dir, device="cuda", max_batch=2, cuda_graphs="off")
    seen: dict[str, set[tuple[bool, bool]]] = {}

    def spy(owner: type, name: str) -> None:
        own = getattr(owner, name)

        def watched(*args: object, **named: object) -> object:
            flags = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
            seen.setdefault(owner.__name__, set()).add(flags)
            return own(*args, **named)

        monkeypatch.setattr(owner, name, watched)

    spy(FlowGroup, "step")
    spy(Voicing, "next_part")
    spy(SemanticGPT, "logits")
    spy(SemanticGPT, "latents")
    spy(SemanticFeatures, "__call__")
    exactly, roughly = (False, False), (True, True)
    engine.synthesize(REQUEST)
    parts = {"FlowGroup", "Voicing", "SemanticGPT", "SemanticFeatures"}
    assert seen == {part: {exactly} for part in parts}
    seen.clear()
    # Both at once: their rounds take turns.
    both = [engine.submit(replace(REQUEST, quality=quality)) for quality in ("fast", "exact")]
    while engine.tick():
        pass
    assert all(one.ended and one.error is None for one in both)
    assert seen["FlowGroup"] == seen["Voicing"] == {exactly, roughly}
    assert seen["SemanticGPT"] == seen["SemanticFeatures"] == {exactly}
    assert not torch.backends.cuda.matmul.allow_tf32
    assert engine.facts.fast_class == "TF32 in flow and vocoder, 4 diffusion steps, 3 beams"
    lines = engine._lines
    assert lines.get("fast").networks is lines.get("exact").networks, "no weight is held twice"
