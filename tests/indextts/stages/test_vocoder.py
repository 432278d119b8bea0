from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from indextts.errors import ConfigError, ModelFileError, NonFiniteAudioError
from indextts.stages.vocoder import EARLY_PARTS, Vocoder, early_windows, load_vocoder, windows
from tests.indextts.goldens import arrays, assert_close, needs_goldens
from tests.indextts.layers import vocoder_models as models


def weight_normed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every convolution as magnitude and direction."""
    result: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.endswith(".weight"):
            result[f"{key}_g"] = value.flatten(1).norm(dim=1).view(-1, 1, 1)
            result[f"{key}_v"] = 3.0 * value
        else:
            result[key] = value
    return result


def test_waveform() -> None:
    model = models.small_model()
    mel = torch.randn(4, 6)
    wav = Vocoder(model).waveform(mel)
    assert wav.dtype == torch.float32
    assert torch.equal(wav, model(mel[None])[0, 0])
    assert Vocoder(model).waveform(torch.zeros(4, 0)).shape == (0,)


SOURCE = {"lowest_pitch": 50.0, "highest_pitch": 500.0, "reader_width": 4}


@pytest.mark.parametrize("frames", [1, 9, 10, 11, 17, 18, 19, 64])
def test_windows_keep_every_frame_once_with_its_margin(frames: int) -> None:
    size, margin = 10, 3
    parts = list(windows(frames, size, margin))
    assert [part.keep_from for part in parts] == [0, *(part.keep_to for part in parts[:-1])]
    assert parts[-1].keep_to == frames
    for part in parts:
        assert part.stop - part.start == min(size, frames)
        assert part.start <= max(part.keep_from - margin, 0)
        assert part.stop >= min(part.keep_to + margin, frames)
    with pytest.raises(ValueError, match="more than 6 frames"):
        list(windows(frames, 6, 3))


@pytest.mark.parametrize("frames", [0, 1, 47, 48, 215, 216, 217, 1000])
@pytest.mark.parametrize("size", [None, 90])
def test_early_windows_begin_with_short_parts(frames: int, size: int | None) -> None:
    margin = 40
    parts = list(early_windows(frames, size, margin))
    kept = [0, *(part.keep_to for part in parts)]
    assert kept[-1] == frames
    assert [part.keep_from for part in parts] == kept[:-1]
    first, second = EARLY_PARTS
    early = ((first,) if frames >= 2 * first else ()) + (
        (second,) if frames >= first + 2 * second else ()
    )
    assert tuple(part.keep_to - part.keep_from for part in parts[: len(early)]) == early
    for part in parts:
        assert part.start <= max(part.keep_from - margin, 0)
        assert part.stop >= min(part.keep_to + margin, frames)
    if size is None:
        assert len(parts) == len(early) + (frames > 0), "the rest in one window"
        assert sum(p.stop - p.start for p in parts) <= frames + 2 * margin * len(early)


def parts_of(vocoder: Vocoder, mel: Tensor, *, early: bool) -> list[Tensor]:
    voicing = vocoder.begin(mel, early=early)
    parts = []
    while not voicing.ended:
        parts.append(voicing.next_part())
    return parts


@pytest.mark.parametrize("source", [None, SOURCE])
@pytest.mark.parametrize("extra", [1, 7, None])
def test_parts_are_the_waveform(source: dict[str, float] | None, extra: int | None) -> None:
    model = models.small_model(source=source, sampling_rate=16000)
    mel = torch.randn(4, 250)
    whole = Vocoder(model).waveform(mel)
    vocoder = Vocoder(model, None if extra is None else 2 * model.margin + extra)
    parts = parts_of(vocoder, mel, early=True)
    assert [len(part) for part in parts[:2]] == [n * model.samples_per_frame for n in EARLY_PARTS]
    assert_close(torch.cat(parts), whole, 1e-5)
    assert_close(vocoder.waveform(mel), whole, 1e-5)
    assert parts_of(vocoder, torch.zeros(4, 0), early=True) == []
    (short,) = parts_of(vocoder, mel[:, :9], early=True)
    assert torch.equal(short, vocoder.waveform(mel[:, :9]))
    with pytest.raises(NonFiniteAudioError):
        parts_of(vocoder, mel * math.nan, early=True)


def test_a_part_that_failed_can_be_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    vocoder, mel = Vocoder(models.small_model()), torch.randn(4, 90)
    expected = parts_of(vocoder, mel, early=True)
    voicing = vocoder.begin(mel, early=True)
    assert torch.equal(voicing.next_part(), expected[0])
    with monkeypatch.context() as broken:
        broken.setattr(vocoder.model, "signal", lambda *_: torch.full((1, 1, 2000), math.nan))
        with pytest.raises(NonFiniteAudioError):
            voicing.next_part()
    assert torch.equal(voicing.next_part(), expected[1])
    assert voicing.ended


@pytest.mark.parametrize("kernels", [[8, 4], [10, 2]])
def test_nothing_beyond_the_margin_is_heard(kernels: list[int]) -> None:
    model = models.small_model(upsample_kernel_sizes=kernels)
    mel, middle = torch.randn(4, 81), 40
    changed = mel.clone()
    changed[:, middle] += 5.0
    difference = (Vocoder(model).waveform(mel) != Vocoder(model).waveform(changed)).nonzero()
    reached = difference // model.samples_per_frame - middle
    assert -model.margin <= int(reached.min())
    assert int(reached.max()) <= model.margin
    # An upper bound, but no idle one: what comes from its ends is lost in rounding.
    assert int(reached.max()) > model.margin // 2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_mels_are_never_handed_out(bad: float) -> None:
    mel = torch.zeros(4, 6)
    mel[1, 3] = bad
    with pytest.raises(NonFiniteAudioError):
        Vocoder(models.small_model()).waveform(mel)


def test_overflow_is_seen_before_the_limiter() -> None:
    model = models.small_model(use_bias_at_final=True)
    assert model.conv_post.bias is not None
    model.conv_post.bias.fill_(math.inf)
    mel = torch.randn(4, 6)
    assert torch.equal(model(mel[None]), torch.ones(1, 1, 48))
    with pytest.raises(NonFiniteAudioError):
        Vocoder(model).waveform(mel)


def test_threads_share_a_vocoder() -> None:
    torch.manual_seed(6)
    vocoder = Vocoder(models.small_model())
    mels = [torch.randn(4, 5 + index) for index in range(6)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(vocoder.waveform, mels))
    for mel, wav in zip(mels, together, strict=True):
        assert_close(wav, vocoder.waveform(mel), 1e-6)


def test_all_forms_of_the_file_give_the_same_model(tmp_path: Path) -> None:
    config = models.write_config(tmp_path, models.small_settings())
    plain = models.small_model().state_dict()
    plain["activation_post.act.alpha"] += 0.3
    normed = weight_normed(plain)
    bare = {key: value for key, value in plain.items() if not key.endswith(".filter")}
    torch.save({"generator": normed}, tmp_path / "a.pt")
    torch.save({f"module.{key}": value for key, value in plain.items()}, tmp_path / "b.pt")
    torch.save({"generator": bare}, tmp_path / "c.pt")
    save_file(normed, tmp_path / "d.safetensors")
    mel = torch.randn(4, 6)
    names = ("a.pt", "b.pt", "c.pt", "d.safetensors")
    wavs = [load_vocoder(tmp_path / name, config).waveform(mel) for name in names]
    for wav in wavs[1:]:
        assert_close(wav, wavs[0], 1e-5)
    assert not torch.allclose(wavs[0], Vocoder(models.small_model()).waveform(mel), atol=1e-4)


def test_filters_of_the_file_are_used(tmp_path: Path) -> None:
    config = models.write_config(tmp_path, models.small_settings())
    state = models.small_model().state_dict()
    mel = torch.randn(4, 6)
    torch.save(state, tmp_path / "a.pt")
    original = load_vocoder(tmp_path / "a.pt", config).waveform(mel)
    state["activation_post.downsample.lowpass.filter"] = torch.zeros(1, 1, 12)
    torch.save(state, tmp_path / "b.pt")
    silent = load_vocoder(tmp_path / "b.pt", config).waveform(mel)
    assert original.abs().max() > 0
    assert silent.abs().max() == 0


@pytest.mark.parametrize(
    "key", ["conv_pre.weight_g", "ups.1.0.bias", "resblocks.0.activations.0.upsample.filter"]
)
def test_missing_and_misshaped_entries_are_named(tmp_path: Path, key: str) -> None:
    config = models.write_config(tmp_path, models.small_settings())
    path = tmp_path / "bigvgan_generator.pt"
    state = weight_normed(models.small_model().state_dict())
    torch.save({"generator": state | {key: torch.randn(3)}}, path)
    with pytest.raises(ModelFileError, match=rf"bigvgan_generator\.pt.*{key}.*\(3,\)"):
        load_vocoder(path, config)
    del state[key]
    torch.save({"generator": state}, path)
    with pytest.raises(ModelFileError, match=f"has no entry '{key}'"):
        load_vocoder(path, config)


def test_bad_configurations_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "generator.pt"
    torch.save({"generator": {}}, path)
    with pytest.raises(ModelFileError, match=r"config\.json"):
        load_vocoder(path, tmp_path / "config.json")
    config = models.write_config(tmp_path, models.small_settings(hop_size=256))
    with pytest.raises(ConfigError, match="hop_size"):
        load_vocoder(path, config)


@needs_goldens
def test_golden(tmp_path: Path) -> None:
    settings, state = models.golden_checkpoint()
    path = tmp_path / "bigvgan_generator.pt"
    torch.save({"generator": state}, path)
    vocoder = load_vocoder(path, models.write_config(tmp_path, settings))
    case = arrays("bigvgan/tiny.safetensors")
    wav = vocoder.waveform(case["mel"][0])
    assert_close(wav, case["wav"][0, 0], 1e-4 * float(case["wav_pre_clamp"].std()))
