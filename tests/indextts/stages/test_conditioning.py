from __future__ import annotations

import pytest
import torch

from indextts.stages.conditioning import merge_emotion
from tests.indextts import goldens
from tests.indextts.goldens import assert_close, needs_goldens
from tests.indextts.gpt_goldens import GoldenGPT, load_golden_gpt

ATOL = 1e-4


@pytest.fixture(scope="module")
def model() -> GoldenGPT:
    return load_golden_gpt()


@needs_goldens
@pytest.mark.parametrize("name", ["case_a", "case_b"])
def test_voice_path_matches_goldens(model: GoldenGPT, name: str) -> None:
    case = goldens.arrays(f"gpt/{name}.npz")
    seen: dict[str, torch.Tensor] = {}
    encoder = model.conditioner.conditioning_encoder
    encoder.embed.register_forward_hook(lambda *a: seen.__setitem__("embed", a[2]))
    encoder.encoders[0].register_forward_hook(lambda *a: seen.__setitem__("block0", a[2]))
    hidden, mask = encoder(case["spk_feat"], 1024)
    assert mask is None
    assert bool(case["spk_mask"].all())
    assert_close(seen["embed"], case["spk_embed"], ATOL)
    assert_close(seen["block0"], case["spk_block0"], ATOL)
    assert_close(hidden, case["spk_conformer"], ATOL)
    assert_close(model.conditioner.voice(case["spk_feat"]), case["spk_latents"], ATOL)


@needs_goldens
@pytest.mark.parametrize("name", ["case_a", "case_b"])
def test_masked_frames_match_goldens(model: GoldenGPT, name: str) -> None:
    case = goldens.arrays(f"gpt/{name}.npz")
    hidden, mask = model.conditioner.conditioning_encoder(case["spk_feat"], int(case["short_len"]))
    assert mask is not None
    assert torch.equal(mask[:, None], case["short_mask"])
    assert_close(hidden, case["short_conformer"], ATOL)
    latents = model.conditioner.perceiver_encoder(hidden, mask)
    assert_close(latents, case["short_latents"], ATOL)


@needs_goldens
@pytest.mark.parametrize("name", ["case_a", "case_b"])
def test_emotion_path_matches_goldens(model: GoldenGPT, name: str) -> None:
    case = goldens.arrays(f"gpt/{name}.npz")
    conditioner = model.conditioner
    hidden, _ = conditioner.emo_conditioning_encoder(case["emo_feat"], 1024)
    assert_close(hidden, case["emo_conformer"], ATOL)
    latent = conditioner.emo_perceiver_encoder(hidden)
    assert_close(latent, case["emo_latent"], ATOL)
    assert_close(conditioner.emovec_layer(latent[:, 0]), case["emo_after_emovec_layer"], ATOL)
    emotion, base = conditioner.emotion(case["emo_feat"]), conditioner.emotion(case["spk_feat"])
    assert_close(emotion, case["emo_vec"], ATOL)
    assert_close(base, case["base_vec"], ATOL)
    assert_close(merge_emotion(base, emotion, float(case["alpha"])), case["merged_vec"], ATOL)
