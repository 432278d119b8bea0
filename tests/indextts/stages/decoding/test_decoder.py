from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import Tensor

from indextts.errors import CancelledError
from indextts.stages.decoding.decoder import (
    CodeDecoder,
    DeepSpeedUnavailableError,
    check_agreement,
)
from indextts.stages.decoding.session import NativeSession
from indextts.stages.decoding.transformers_session import TransformersSession, build_trunk
from indextts.stages.semantic_gpt import SemanticGPT
from tests.indextts.gpt_goldens import GREEDY
from tests.indextts.small_models import small_gpt


@pytest.fixture(scope="module")
def model() -> SemanticGPT:
    return small_gpt()


def test_transformers_stack_gives_the_same_scores(model: SemanticGPT) -> None:
    check_agreement(model, partial(TransformersSession, build_trunk(model), model))


def test_a_stack_with_other_scores_is_found_out(model: SemanticGPT) -> None:
    trunk = build_trunk(model)
    trunk.wpe.weight = torch.nn.Parameter(torch.randn_like(trunk.wpe.weight), requires_grad=False)
    with pytest.raises(DeepSpeedUnavailableError, match="differ"):
        check_agreement(model, partial(TransformersSession, trunk, model))


def test_beams_that_do_not_change_places_are_found_out(model: SemanticGPT) -> None:
    class Forgetful(NativeSession):
        def step(self, tokens: Tensor, parents: Tensor | None, position: Tensor | int) -> Tensor:
            return super().step(tokens, None, position)

    with pytest.raises(DeepSpeedUnavailableError, match="step 3"):
        check_agreement(model, partial(Forgetful, model))


def test_without_cuda_the_reason_is_logged(
    model: SemanticGPT, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        decoder = CodeDecoder(model, "auto")
    assert not decoder.deepspeed_enabled
    assert "no CUDA device" in caplog.text


class Crashing(NativeSession):
    def step(self, tokens: Tensor, parents: Tensor | None, position: Tensor | int) -> Tensor:
        if position == 2:
            raise RuntimeError("workspace can't be allocated")
        return super().step(tokens, parents, position)


def _decode(decoder: CodeDecoder, prefixes: Sequence[Tensor]) -> list[int]:
    with torch.inference_mode():
        (result,) = decoder.generate(prefixes, [6], GREEDY, list)
    return result.codes.tolist()


def test_a_crash_switches_back_for_good(
    model: SemanticGPT, caplog: pytest.LogCaptureFixture
) -> None:
    prefix = model.prefix(torch.zeros(4, model.config.model_dim), torch.tensor([5, 6, 7]))
    plain = CodeDecoder(model, "off")
    decoder = CodeDecoder(model, "off")
    decoder._deepspeed = partial(Crashing, model)
    assert decoder.deepspeed_enabled
    assert _decode(decoder, [prefix]) == _decode(plain, [prefix])
    assert not decoder.deepspeed_enabled
    assert "takes over for good" in caplog.text


def test_cancelling_does_not_switch(model: SemanticGPT) -> None:
    prefix = model.prefix(torch.zeros(4, model.config.model_dim), torch.tensor([5, 6, 7]))
    decoder = CodeDecoder(model, "off")
    decoder._deepspeed = partial(NativeSession, model)

    def cancel(step: int) -> None:
        raise CancelledError("enough")

    with pytest.raises(CancelledError):
        decoder.generate([prefix], [6], GREEDY, list, cancel)
    assert decoder.deepspeed_enabled
