"""The small GPT of the goldens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from indextts.config import GPTConfig
from indextts.sampling import SamplingOptions
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.decoding.generate import Generated, generate
from indextts.stages.decoding.session import NativeSession
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.utils.checkpoint import load_into
from indextts.utils.dataclass_io import from_mapping
from indextts.utils.skeleton import skeleton
from tests.indextts import goldens

MAX_CODES = 24
GREEDY = SamplingOptions(do_sample=False, num_beams=1)


@dataclass(frozen=True)
class GoldenGPT:
    config: GPTConfig
    conditioner: ReferenceConditioner
    gpt: SemanticGPT


def load_golden_gpt(scale: float = 1.0, bias: dict[str, float] | None = None) -> GoldenGPT:
    """The model with `scale` on the head's weight and `bias` added for STOP, START or code 1."""
    config = from_mapping(GPTConfig, goldens.json_file("gpt/config.json")["gpt"], "gpt")
    state = goldens.stand_ins(goldens.json_file("gpt/keys.json"))
    state["mel_head.weight"] *= scale
    rows = {"stop": config.stop_mel_token, "start": config.start_mel_token, "one": 1}
    for name, value in (bias or {}).items():
        state["mel_head.bias"][rows[name]] += value
    with skeleton():
        conditioner, gpt = ReferenceConditioner(config), SemanticGPT(config)
    load_into(conditioner, state, "gpt.pth")
    load_into(gpt, state, "gpt.pth")
    return GoldenGPT(config, conditioner, gpt)


def load_variant(name: str) -> GoldenGPT:
    variant = goldens.json_file("gpt/config.json")["_variants"][name]
    return load_golden_gpt(variant["mel_head_weight_scale"], {"stop": variant["stop_bias_add"]})


def golden_prefix(model: GoldenGPT, case: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Condition [N, D] and prefix [M, D] of a golden case."""
    voice = model.conditioner.voice(case["spk_feat"])
    condition = model.conditioner.condition(voice, case["merged_vec"])[0]
    return condition, model.gpt.prefix(condition, case["text"][0])


def run(
    model: GoldenGPT,
    prefixes: list[Tensor],
    options: SamplingOptions,
    seeds: list[int] | None = None,
    limits: list[int] | None = None,
) -> list[Generated]:
    generators = [torch.Generator().manual_seed(seed) for seed in seeds or []]
    with torch.inference_mode():
        return generate(
            partial(NativeSession, model.gpt),
            model.config,
            prefixes,
            limits or [MAX_CODES] * len(prefixes),
            options,
            generators or None,
        )


def with_stop(model: GoldenGPT, result: Generated) -> list[int]:
    """Codes as the goldens list them: one STOP behind, unless the limit was reached."""
    codes = result.codes.tolist()
    return codes if result.truncated else [*codes, model.config.stop_mel_token]
