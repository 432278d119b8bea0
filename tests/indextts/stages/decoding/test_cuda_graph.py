"""Recorded steps speak the codes of free ones, on a pretend GPU and, where there is one, a real."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from indextts.sampling import SamplingOptions
from indextts.stages.decoding import cuda_graph, noise
from indextts.stages.decoding.cuda_graph import GraphedSession, StaticStep
from indextts.stages.decoding.decoder import CodeDecoder
from indextts.stages.decoding.session import NativeSession
from indextts.stages.recorder import FIRST_RECORDED
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.utils.tensor_trees import tensors
from tests.indextts.pretend_cuda import PretendCuda, PretendTensor
from tests.indextts.pretend_streams import Graph
from tests.indextts.small_models import small_gpt

pytestmark = pytest.mark.slow

LIMITS = [16, 11]
OPTIONS = [
    pytest.param(SamplingOptions(do_sample=sample, num_beams=beams), id=f"{name}-{beams}")
    for name, sample in (("greedy", False), ("drawn", True))
    for beams in (1, 3)
]
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
# The second GPU, while the first is the current one.
PRETEND = "cuda:1"


@pytest.fixture(params=["pretend", pytest.param("real", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    if request.param == "real":
        yield torch.device("cuda", torch.cuda.device_count() - 1)
    else:
        with PretendCuda(devices=2):
            yield torch.device(PRETEND)


@pytest.fixture(autouse=True)
def equal_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """In half precision attention over other windows rounds differently."""
    monkeypatch.setattr(NativeSession, "first_window", GraphedSession.first_window)
    monkeypatch.setattr(NativeSession, "position_step", GraphedSession.position_step)
    monkeypatch.setattr(NativeSession, "window_step", GraphedSession.window_step)


@pytest.fixture
def gpu() -> Iterator[PretendCuda]:
    with PretendCuda(devices=2) as pretend:
        yield pretend


def make_model(device: Any, dtype: torch.dtype = torch.float32) -> SemanticGPT:
    model = small_gpt()
    # Random weights would stop early.
    model.mel_head.bias[model.config.stop_mel_token] -= 2.0
    return model.to(device, dtype)


def speak(
    decoder: CodeDecoder, options: SamplingOptions, limits: Sequence[int] = LIMITS, seed: int = 1
) -> list[list[int]]:
    """Codes of two sequences."""
    model, random = decoder.model, torch.Generator("cpu").manual_seed(3)
    width = model.config.model_dim
    prefixes = [
        torch.randn(n, width, generator=random, device="cpu").to(model.device, model.dtype)
        for n in (9, 13)
    ]

    def generators() -> list[torch.Generator]:
        return [torch.Generator(model.device).manual_seed(seed + i) for i in range(2)]

    with torch.inference_mode():
        results = decoder.generate(prefixes, limits, options, generators)
    return [result.codes.tolist() for result in results]


def free(model: SemanticGPT) -> CodeDecoder:
    return CodeDecoder(model, "off", cuda_graphs="off")


def replay_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each recording is of a step with other tokens."""
    run = StaticStep.run

    def other_run(self: StaticStep[Any]) -> None:
        if torch.cuda.is_current_stream_capturing():
            self.state.tokens.bitwise_xor_(1)
        run(self)

    monkeypatch.setattr(StaticStep, "run", other_run)


def fail_to_record(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    """In the middle of a recording something cannot be recorded, or an exception is raised."""
    step = cuda_graph.decode_step

    def failing(model: SemanticGPT, cache: Any, tokens: Tensor, position: Tensor) -> Tensor:
        scores = step(model, cache, tokens, position)
        if torch.cuda.is_current_stream_capturing():
            if error is not None:
                raise error
            scores.sum().item()
        return scores

    monkeypatch.setattr(cuda_graph, "decode_step", failing)


@pytest.mark.cuda
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_recorded_steps_speak_the_codes_of_free_ones(
    options: SamplingOptions, dtype: torch.dtype
) -> None:
    model = make_model("cuda", dtype)
    expected = speak(free(model), options)
    decoder = CodeDecoder(model, "off")
    assert speak(decoder, options) == expected
    assert decoder.cuda_graphs
    assert not free(model).cuda_graphs
    assert max(len(codes) for codes in expected) > FIRST_RECORDED + 4


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_pretend_gpu_speaks_the_codes_of_the_cpu(
    options: SamplingOptions, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = speak(CodeDecoder(make_model("cpu", dtype), "off"), options)
    # Drawing for several steps at once gives other numbers.
    monkeypatch.setattr(noise, "_ACCELERATOR_BLOCK", 1)
    with PretendCuda(devices=2) as gpu:
        codes = speak(CodeDecoder(make_model(PRETEND, dtype), "off"), options)
    assert codes == expected
    assert gpu.replays > 4


@pytest.mark.parametrize("beams", [1, 3])
def test_a_growing_cache_is_recorded_anew(
    device: torch.device, beams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, options = make_model(device), SamplingOptions(do_sample=False, num_beams=beams)
    expected = speak(free(model), options, [28, 28])
    monkeypatch.setattr(GraphedSession, "first_window", 8)
    monkeypatch.setattr(GraphedSession, "window_step", 8)
    decoder = CodeDecoder(model, "off")
    assert speak(decoder, options, [28, 28]) == expected
    assert decoder.cuda_graphs


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("breakage", [fail_to_record, replay_wrongly])
def test_a_recording_that_fails_changes_nothing(
    device: torch.device, beams: int, breakage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, options = make_model(device), SamplingOptions(num_beams=beams)
    expected = speak(free(model), options)
    before = torch.cuda.current_stream(device), torch.cuda.current_device()
    breakage(monkeypatch)
    decoder = CodeDecoder(model, "off")
    assert speak(decoder, options) == expected
    assert not decoder.cuda_graphs
    assert (torch.cuda.current_stream(device), torch.cuda.current_device()) == before
    monkeypatch.undo()
    assert speak(decoder, options) == expected


@pytest.mark.parametrize("beams", [1, 3])
def test_a_replay_of_nothing_is_found_out(
    gpu: PretendCuda, beams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a step is recorded on another device's stream."""
    model, options = make_model(PRETEND), SamplingOptions(num_beams=beams)
    expected = speak(free(model), options)
    monkeypatch.setattr(Graph, "replay", lambda self: None)
    decoder = CodeDecoder(model, "off")
    assert speak(decoder, options) == expected
    assert not decoder.cuda_graphs


def test_out_of_memory_passes_and_recordings_stay(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, options = make_model(device), SamplingOptions(do_sample=False)
    decoder = CodeDecoder(model, "off")
    expected = speak(free(model), options)
    before = torch.cuda.current_stream(device)
    with monkeypatch.context() as patch:
        fail_to_record(patch, torch.OutOfMemoryError("CUDA out of memory"))
        with pytest.raises(torch.OutOfMemoryError):
            speak(decoder, options)
    assert decoder.cuda_graphs
    assert torch.cuda.current_stream(device) == before
    assert speak(decoder, options) == expected


def test_threads_share_a_decoder(device: torch.device) -> None:
    model, options = make_model(device), SamplingOptions()
    expected = [speak(free(model), options, seed=seed) for seed in range(3)]
    decoder, gate = CodeDecoder(model, "off"), threading.Barrier(3)
    weight = model.mel_head.weight
    known_here = weight.gpu.here if isinstance(weight, PretendTensor) else contextlib.nullcontext
    found: dict[int, list[list[int]]] = {}

    def work(seed: int) -> None:
        with known_here():
            gate.wait(60)
            found[seed] = speak(decoder, options, seed=seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert [found.get(seed) for seed in range(3)] == expected
    assert decoder.cuda_graphs


def test_a_failed_recording_leaves_the_allocator_as_it_was(
    gpu: PretendCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else torch could never free memory again: an assertion would take the place of an OOM."""
    fail_to_record(monkeypatch)
    speak(CodeDecoder(make_model(PRETEND), "off"), SamplingOptions())
    assert (gpu.recordings, gpu.recording_pools) == (1, [])


def test_recordings_of_a_stream_share_their_memory(
    gpu: PretendCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[Any] = []
    begin = Graph.capture_begin

    def spy(self: Any, pool: Any = None, **options: Any) -> None:
        pools.append(pool)
        begin(self, pool, **options)

    monkeypatch.setattr(Graph, "capture_begin", spy)
    decoder = CodeDecoder(make_model(PRETEND), "off")
    for _ in range(2):
        speak(decoder, SamplingOptions())
    here = set(pools)
    pools.clear()
    with torch.cuda.stream(torch.cuda.Stream(PRETEND)):
        speak(decoder, SamplingOptions())
    assert len(here) == len(set(pools)) == 1
    assert here.isdisjoint(pools)


@pytest.mark.parametrize("beams", [1, 3])
def test_the_loop_never_waits_for_the_device(gpu: PretendCuda, beams: int) -> None:
    """Only the trial of the recording does, once, and the results at the end."""
    decoder = CodeDecoder(make_model(PRETEND), "off")
    speak(decoder, SamplingOptions(num_beams=beams), [28, 28])
    gpu.waits.clear()
    speak(decoder, SamplingOptions(num_beams=beams), [28, 28])
    places = {place.rsplit(" ", 1)[1]: n for place, n in gpu.waits.items() if "engine" not in place}
    assert places.pop("try_replay") == 1
    assert set(places) == {"_sampled" if beams == 1 else "_searched"}
    assert not gpu.device_waits


def test_a_decode_ends_soon_after_its_last_stop(gpu: PretendCuda) -> None:
    model = make_model(PRETEND)
    model.mel_head.bias[model.config.stop_mel_token] = 50.0
    steps: list[int] = []
    decoder = CodeDecoder(model, "off")
    prefix = torch.zeros(5, model.config.model_dim, device=PRETEND)
    with torch.inference_mode():
        options = SamplingOptions(do_sample=False, num_beams=1)
        (result,) = decoder.generate([prefix], [100], options, list, steps.append)
    assert (result.steps, len(result.codes)) == (1, 0)
    assert len(steps) == 8


def test_a_session_holds_its_places(gpu: PretendCuda) -> None:
    """What a recording reads and writes must not move between replays."""
    decoder = CodeDecoder(make_model(PRETEND), "off")
    places: list[tuple[int, ...]] = []
    advance = GraphedSession.advance

    def spy(self: GraphedSession, *args: Any) -> Any:
        state = advance(self, *args)
        recorded = self._recordings.all()
        if recorded and len(self._sequences) == 2:
            (static,) = (one.work for one in recorded)
            assert state is static.state
            values = (*tensors(state), static.logits)
            places.append(tuple(v.numbers.data_ptr() for v in values))  # type: ignore[attr-defined]
        return state

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GraphedSession, "advance", spy)
        speak(decoder, SamplingOptions(), [20, 20])
    assert len(places) > 10
    assert len(set(places)) == 1
