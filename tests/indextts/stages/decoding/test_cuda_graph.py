"""The recorded step without the recording: the same scores from fixed places.

Recording itself needs a GPU; the last tests run where there is one.
"""

from __future__ import annotations

import pytest
import torch

from indextts.layers.kv_cache import GeneratedCache
from indextts.stages.decoding import cuda_graph
from indextts.stages.decoding.cuda_graph import GraphedSession, GraphSwitch, StaticStep
from indextts.stages.decoding.session import NativeSession
from indextts.stages.semantic_gpt import SemanticGPT
from tests.indextts.small_models import small_gpt

STEPS = 40


def prefixes(model: SemanticGPT) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    width = model.config.model_dim
    return [torch.randn(n, width, generator=random).to(model.device) for n in (9, 13)]


def inputs(model: SemanticGPT) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Tokens and changes of beams for two sequences with two beams."""
    random = torch.Generator().manual_seed(4)
    result: list[tuple[torch.Tensor, torch.Tensor | None]] = []
    for step in range(STEPS):
        tokens = torch.randint(0, 60, (4,), generator=random).to(model.device)
        choice = torch.randint(0, 2, (4,), generator=random) + torch.tensor([0, 0, 2, 2])
        result.append((tokens, choice.to(model.device) if step else None))
    return result


def compare_sessions(model: SemanticGPT, switch: GraphSwitch, beams: int, atol: float) -> None:
    """A graphed session and a native one give the same scores in every step."""
    with torch.inference_mode():
        free = NativeSession(model, prefixes(model), beams)
        graphed = GraphedSession(model, switch, prefixes(model), beams)
        for position, (tokens, parents) in enumerate(inputs(model)):
            tokens, parents = (tokens, parents) if beams > 1 else (tokens[:2], None)
            torch.testing.assert_close(
                graphed.step(tokens, parents, position),
                free.step(tokens, parents, position),
                atol=atol,
                rtol=0,
            )


def test_a_static_step_gives_the_scores_of_a_free_one() -> None:
    model = small_gpt()
    with torch.inference_mode():
        free, fixed = (NativeSession(model, prefixes(model), 2) for _ in range(2))
        static = StaticStep(model, fixed._prefix, fixed._cache, 4, reorders=True)
        places = [t.data_ptr() for t in (static.tokens, static.position, static.logits)]
        for position, (tokens, parents) in enumerate(inputs(model)):
            expected = free.step(tokens, parents, position)
            static.load(tokens, parents, position)
            static.run()
            torch.testing.assert_close(static.logits, expected, atol=1e-5, rtol=0)
            # Again without a change of places: nothing may differ.
            static.load(tokens, None, position)
            static.run()
            torch.testing.assert_close(static.logits, expected, atol=1e-5, rtol=0)
    assert places == [t.data_ptr() for t in (static.tokens, static.position, static.logits)]


def test_where_recording_fails_the_session_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CUDA recording always fails; the scores must not suffer."""

    monkeypatch.setattr(
        GraphedSession,
        "_record",
        lambda self, static, expected: self._switch.turn_off("no CUDA here"),
    )
    monkeypatch.setattr(cuda_graph, "_WORTH_RECORDING", 5)
    switch = GraphSwitch()
    compare_sessions(small_gpt(), switch, beams=2, atol=1e-5)
    assert not switch.enabled


def test_a_single_beam_never_changes_places(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[int] = []
    monkeypatch.setattr(GraphedSession, "_record", lambda self, static, expected: None)
    monkeypatch.setattr(GeneratedCache, "reorder", lambda self, parents, used: moved.append(used))
    compare_sessions(small_gpt(), GraphSwitch(), beams=1, atol=1e-5)
    assert moved == []


@pytest.mark.cuda
def test_replayed_steps_give_the_scores_of_free_ones() -> None:
    switch = GraphSwitch()
    compare_sessions(small_gpt().to("cuda"), switch, beams=2, atol=1e-3)
    assert switch.enabled
