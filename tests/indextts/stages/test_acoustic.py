from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from indextts.errors import CancelledError, GenerationError, ModelFileError
from indextts.stages.acoustic import (
    AcousticModel,
    PromptCondition,
    frames_of,
    load_acoustic_model,
)
from indextts.utils.skeleton import skeleton
from tests.indextts.goldens import arrays, assert_close, json_file, needs_goldens
from tests.indextts.layers.s2mel_models import (
    checkpoint_shapes,
    golden_config,
    golden_model,
    nested,
    official_config,
    small_config,
    small_model,
)

PROMPT_FRAMES = 5


def prompt_of(model: AcousticModel) -> PromptCondition:
    torch.manual_seed(11)
    return PromptCondition(
        condition=model.prompt_condition(torch.randn(1, 4, 12), PROMPT_FRAMES),
        mel=torch.randn(1, 8, PROMPT_FRAMES),
        style=torch.randn(1, 6),
    )


def noise_of(index: int, frames: int) -> Tensor:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(1, 8, frames, generator=generator)


def segments(*lengths: int) -> tuple[list[Tensor], list[Tensor]]:
    torch.manual_seed(12)
    return [torch.randn(n, 10) for n in lengths], [torch.randn(n, 12) for n in lengths]


def test_frames_are_exact_and_those_of_the_reference() -> None:
    for codes in range(1816):
        assert frames_of(codes, 1.72) == 172 * codes // 100
        assert frames_of(codes, 1.72) == int((torch.tensor([codes]) * 1.72).long())
    assert frames_of(7, 2.0) == 14
    assert frames_of(3, 0.3) == 0
    assert frames_of(10, 0.3) == 3


def test_frames_are_divided_by_the_speed_and_exact_at_one() -> None:
    for codes in range(1816):
        assert frames_of(codes, 1.72, 1.0) == frames_of(codes, 1.72)
        assert frames_of(codes, 1.72, 0.5) == 344 * codes // 100
        assert frames_of(codes, 1.72, 1.25) == 1376 * codes // 1000
    # 1.1 is 11/10, whatever its nearest double is.
    assert frames_of(11, 1.0, 1.1) == 10


def test_speed_stretches_what_is_said_and_nothing_else() -> None:
    model = small_model()
    prompt = prompt_of(model)
    latents, embeddings = segments(9, 4)
    usual = model.mels(latents, embeddings, prompt, noise_of)
    spelled = model.mels(latents, embeddings, prompt, noise_of, speed=1.0)
    assert all(torch.equal(a, b) for a, b in zip(usual, spelled, strict=True))
    for speed, frames in ((0.5, (30, 13)), (1.5, (10, 4)), (2.0, (7, 3))):
        mels = model.mels(latents, embeddings, prompt, noise_of, speed=speed)
        assert tuple(mel.shape[1] for mel in mels) == frames
        alone = model.mels(
            latents[1:], embeddings[1:], prompt, lambda _, n: noise_of(1, n), speed=speed
        )
        assert_close(mels[1], alone[0], 1e-5)
    # A single code may be too short to be heard.
    (nothing,) = model.mels(*segments(1), prompt, noise_of, speed=2.0)
    assert nothing.shape == (8, 0)


def test_segments_of_a_batch_are_as_alone() -> None:
    model = small_model()
    prompt = prompt_of(model)
    latents, embeddings = segments(9, 0, 2, 5)
    mels = model.mels(latents, embeddings, prompt, noise_of)
    assert [tuple(mel.shape) for mel in mels] == [(8, 15), (8, 0), (8, 3), (8, 8)]
    for index in (0, 2, 3):
        frames = PROMPT_FRAMES + mels[index].shape[1]
        alone = model.mels([latents[index]], [embeddings[index]], prompt, [noise_of(index, frames)])
        assert_close(mels[index], alone[0], 1e-5)
        assert mels[index].abs().max() > 0


def test_result_is_the_sampler_on_the_regulated_sum() -> None:
    model = small_model()
    prompt = prompt_of(model)
    latents, embeddings = segments(6)
    (mel,) = model.mels(latents, embeddings, prompt, noise_of, steps=2, guidance=0.3)
    summed = model.gpt_layer(latents[0]) + embeddings[0]
    content = model.length_regulator.rows([summed], [10])[0][None]
    expected = model.cfm.sample(
        torch.cat((prompt.condition, content), dim=1),
        torch.tensor([15]),
        prompt.mel,
        prompt.style,
        noise_of(0, 15),
        steps=2,
        guidance_rate=0.3,
    )
    assert_close(mel, expected[0, :, PROMPT_FRAMES:], 1e-5)


def test_half_precision_latents_are_cast() -> None:
    model = small_model()
    latents, embeddings = segments(4)
    half = [latents[0].bfloat16()]
    (mel,) = model.mels(half, embeddings, prompt_of(model), noise_of)
    (same,) = model.mels([half[0].float()], embeddings, prompt_of(model), noise_of)
    assert mel.dtype == torch.float32
    assert torch.equal(mel, same)


def test_nothing_to_speak_runs_nothing() -> None:
    model = small_model()
    latents, embeddings = segments(0, 0)
    steps: list[int] = []
    mels = model.mels(latents, embeddings, prompt_of(model), noise_of, steps.append)
    assert [tuple(mel.shape) for mel in mels] == [(8, 0), (8, 0)]
    assert model.mels([], [], prompt_of(model), noise_of) == []
    assert steps == []


def test_steps_are_counted_and_may_be_stopped() -> None:
    model = small_model()
    latents, embeddings = segments(3)
    seen: list[int] = []
    model.mels(latents, embeddings, prompt_of(model), noise_of, seen.append)
    assert seen == [0, 1, 2]

    def stop(step: int) -> None:
        raise CancelledError(f"at {step}")

    with pytest.raises(CancelledError, match="at 0"):
        model.mels(latents, embeddings, prompt_of(model), noise_of, stop)


def test_positions_are_limited() -> None:
    model = small_model(max_positions=20)
    latents, embeddings = segments(9)
    prompt = prompt_of(model)
    assert model.mels(*segments(8), prompt, noise_of)[0].shape == (8, 13)
    assert model.mels(latents, embeddings, prompt, noise_of)[0].shape == (8, 15)
    with pytest.raises(GenerationError, match=r"5 mel frames and a segment 17.*20"):
        model.mels(*segments(10), prompt, noise_of)
    assert model.mels(*segments(10), prompt, noise_of, speed=1.2)[0].shape == (8, 14)
    with pytest.raises(GenerationError, match="a segment 16"):
        model.mels(latents, embeddings, prompt, noise_of, speed=0.95)


def test_noise_of_the_wrong_shape_is_refused() -> None:
    model = small_model()
    with pytest.raises(ValueError, match="noise must have shape"):
        model.mels(*segments(3), prompt_of(model), [torch.randn(1, 8, 5)])


def small_state() -> dict[str, Tensor]:
    """A complete file with unused entries."""
    torch.manual_seed(4)
    state = {key: torch.randn(shape) for key, shape in checkpoint_shapes(small_model()).items()}
    state["cfm.estimator.x_embedder.weight_v"] = torch.randn(16, 8)
    state["cfm.estimator.input_pos"] = torch.arange(16384)
    state["cfm.estimator.transformer.layers.0.skip_in_linear.weight"] = torch.randn(1)
    state["length_regulator.mask_token"] = torch.randn(1, 16)
    return state


def test_all_forms_of_the_file_give_the_same_model(tmp_path: Path) -> None:
    state = small_state()
    parts = nested(state)
    prefixed = {
        f"module.{part}": {f"module.{key}": value for key, value in content.items()}
        for part, content in parts.items()
    }
    plain, wrapped, flat = (tmp_path / n for n in ("a.pth", "b.pth", "c.safetensors"))
    torch.save({"net": parts, "optimizer": {"lr": 1.0}, "epoch": 3}, plain)
    torch.save({"module.net": prefixed}, wrapped)
    save_file(state, flat)
    models = [load_acoustic_model(path, small_config()) for path in (plain, wrapped, flat)]
    reference = models[0].state_dict()
    v = state["cfm.estimator.wavenet.in_layers.1.conv.conv.weight_v"]
    g = state["cfm.estimator.wavenet.in_layers.1.conv.conv.weight_g"]
    norm = v.flatten(1).norm(dim=1).view(-1, 1, 1)
    assert_close(reference["cfm.estimator.wavenet.in_layers.1.weight"], g * v / norm, 1e-6)
    for model in models[1:]:
        for key, value in model.state_dict().items():
            assert torch.equal(value, reference[key]), key
    assert all(not p.requires_grad for p in models[0].parameters())
    assert models[0].cfm.estimator.t_embedder.freqs[0] == 1.0


@pytest.mark.parametrize(
    "key",
    [
        "length_regulator.model.0.weight",
        "cfm.estimator.final_layer.linear.weight_g",
        "gpt_layer.1.bias",
    ],
)
def test_missing_and_misshaped_entries_are_named(tmp_path: Path, key: str) -> None:
    path = tmp_path / "s2mel.pth"
    state = small_state()
    wrong = state | {key: torch.randn(3)}
    torch.save({"net": nested(wrong)}, path)
    with pytest.raises(ModelFileError, match=rf"s2mel\.pth.*{key}.*\(3,\)"):
        load_acoustic_model(path, small_config())
    del state[key]
    torch.save({"net": nested(state)}, path)
    with pytest.raises(ModelFileError, match=f"has no entry '{key}'"):
        load_acoustic_model(path, small_config())


def test_files_without_the_parts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s2mel.pth"
    torch.save({"model": {}}, path)
    with pytest.raises(ModelFileError, match="no entry 'net'"):
        load_acoustic_model(path, small_config())
    torch.save({"net": {"cfm": {}, "gpt_layer": {}}}, path)
    with pytest.raises(ModelFileError, match="no entry 'length_regulator'"):
        load_acoustic_model(path, small_config())
    with pytest.raises(ModelFileError, match="missing"):
        load_acoustic_model(tmp_path / "absent.pth", small_config())


@needs_goldens
def test_golden_from_features_to_mel(tmp_path: Path) -> None:
    model = golden_model(golden_config("config.json"), tmp_path)
    front, case = arrays("s2mel/front.npz"), arrays("s2mel/cfm.npz")
    assert_close(model.gpt_layer(front["latent"]), front["gpt_layer_out"], 2e-5)
    condition = model.prompt_condition(front["S_ref"], int(front["ref_target_length"]))
    assert_close(condition, front["prompt_condition"], 2e-5)
    assert frames_of(int(front["code_len"]), 1.72) == int(front["target_length"])
    prompt = PromptCondition(condition, case["ref_mel"], case["style"])
    for steps, tolerance in ((1, 2e-5), (None, 2e-4)):
        (mel,) = model.mels(
            [front["latent"][0]],
            [front["vq_emb"][0]],
            prompt,
            lambda _index, _frames: case["noise"],
            steps=steps,
        )
        assert_close(mel, case[f"mel_{steps or 25}"][0], tolerance)


@needs_goldens
def test_keys_and_shapes_are_those_of_the_official_file() -> None:
    """Of everything in the official file, we ask for all but the unused entries."""
    with skeleton():
        ours = checkpoint_shapes(AcousticModel(official_config()))
    path = json_file("../spec/keys/s2mel.json")
    official = {key: tuple(shape) for key, shape in path.items()}
    assert ours.items() <= official.items()
    unused = set(official) - set(ours)
    skips = {f"layers.{i}.skip_in_linear" for i in range(7)}
    assert all(
        "embedder" in key
        or key.endswith(("input_pos", "mask_token", "length_regulator.embedding.weight"))
        or any(skip in key for skip in skips)
        for key in unused
    )
    assert not any(".t_embedder" in key and not key.endswith("freqs") for key in unused)


def test_configured_defaults_are_used() -> None:
    model = small_model()
    latents, embeddings = segments(3)
    prompt = prompt_of(model)
    default = model.mels(latents, embeddings, prompt, noise_of)
    spelled = model.mels(latents, embeddings, prompt, noise_of, steps=3, guidance=0.7)
    assert torch.equal(default[0], spelled[0])
    other = AcousticModel(replace(model.config, guidance_rate=0.0))
    other.load_state_dict(model.state_dict())
    unguided = other.mels(latents, embeddings, prompt, noise_of)
    assert not torch.equal(default[0], unguided[0])
