"""The excitation by numbers: pitch, level, spectrum, and what a generator makes of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from indextts.layers.bigvgan import BigVGAN
from indextts.layers.harmonic_source import (
    HarmonicSource,
    PitchReader,
    pulse_train,
    running_phase,
)
from indextts.network_configs import HarmonicSourceConfig
from indextts.utils.checkpoint import load_into
from tests.indextts.layers import vocoder_models as models

RATE, HOP = 22050, 256
SOURCE = {"reader_width": 8}


def source() -> HarmonicSource:
    torch.manual_seed(1)
    return HarmonicSource(80, RATE, (64, 1), (8, 4), HarmonicSourceConfig(reader_width=8))


def spectrum(wave: Tensor) -> Tensor:
    """Power by Hz, of one second."""
    return torch.fft.rfft(wave[:RATE]).abs().square()


@pytest.mark.parametrize("hertz", [60.0, 100.0, 123.0, 400.0])
def test_pulses_are_the_harmonics_of_the_pitch_equally_strong(hertz: float) -> None:
    frames = RATE // HOP + 1
    made = source().excitation(torch.full((1, frames), hertz), torch.ones(1, frames), HOP)
    power = spectrum(made[0, 0])
    count = int(RATE / 2 // hertz)
    places = (torch.arange(1, count + 1) * hertz).round().long()
    places = places[places < RATE // 2]
    assert float(power[places].sum() / power.sum()) > 0.99
    assert float(power[places].max() / power[places].min()) < 1.1
    assert float(made[0, 0].square().mean()) == pytest.approx(1.0, abs=0.05)


def test_a_melody_is_followed() -> None:
    hertz = torch.linspace(100, 200, 87)[None]
    made = source().excitation(hertz, torch.ones_like(hertz), HOP)[0, 0]
    crossings = (made[1:] > 4) & (made[:-1] <= 4)  # once a pulse
    assert int(crossings.sum()) == pytest.approx(87 * HOP / RATE * 150, abs=1.5)


def test_without_a_voice_there_is_noise_only() -> None:
    frames = torch.full((1, 87), 100.0)
    pulses, noise = source().excitation(frames, torch.zeros_like(frames), HOP)[0]
    assert float(pulses.abs().max()) == 0
    assert float(noise.std()) == pytest.approx(1.0, abs=0.02)
    power = spectrum(noise).unflatten(0, (-1, 149)).mean(1)
    assert float(power.max() / power.min()) < 2


def test_the_phase_stays_exact_over_minutes() -> None:
    cycles = torch.full((1, 60 * RATE // HOP * HOP), 441.0 / RATE)
    phase = running_phase(cycles, HOP)[0].double()
    exact = (torch.arange(1, len(phase) + 1, dtype=torch.float64) * cycles[0, 0].double()) % 1.0
    apart = (phase - exact + 0.5) % 1.0 - 0.5
    assert float(apart.abs().max()) < 2e-3


def test_a_pulse_has_the_height_of_all_harmonics_together() -> None:
    cycles = torch.full((1, 3), 0.01)
    phase = torch.tensor([[0.0, 1e-7, 1.0]])
    made = pulse_train(phase, cycles)
    torch.testing.assert_close(made, torch.full((1, 3), math.sqrt(2 * 50)), rtol=1e-3, atol=0)


def test_the_reader_stays_in_its_range() -> None:
    reader = PitchReader(80, HarmonicSourceConfig(reader_width=8))
    with torch.no_grad():
        for value, expected in ((20.0, 600.0), (-20.0, 50.0), (0.0, 150.0)):
            reader.out.weight.zero_()
            assert reader.out.bias is not None
            reader.out.bias.fill_(value)
            hertz, voiced = reader(torch.randn(2, 80, 5))
            assert hertz.shape == voiced.shape == (2, 5)
            torch.testing.assert_close(hertz, torch.full((2, 5), expected))


def generator() -> BigVGAN:
    return models.small_model(source=SOURCE)


def test_a_generator_with_a_source_is_the_same_alone_in_a_batch_and_again() -> None:
    net = generator()
    mel = torch.randn(2, 4, 6)
    both = net(mel)
    torch.testing.assert_close(both[1], net(mel[1:])[0], atol=1e-5, rtol=1e-4)
    assert torch.equal(net(mel), both)


def test_a_still_mel_repeats_with_every_frame_without_a_source_and_with_the_pitch_with_one() -> (
    None
):
    mel = torch.randn(1, 4, 1).expand(1, 4, 400)
    for net, frame_locked in ((models.small_model(), True), (generator(), False)):
        wave = net.signal(mel)[0, 0, 100 * 8 : 300 * 8]
        apart = (wave[8:] - wave[:-8]).abs().max() / wave.abs().max()
        assert (float(apart) < 1e-3) == frame_locked


def test_a_checkpoint_gives_a_generator_built_on_meta_its_source() -> None:
    net = generator()
    assert net.source is not None
    state = net.state_dict()
    assert any(key.startswith("source.filters") for key in state)
    assert "source.noise" not in state
    with torch.device("meta"):
        loaded = BigVGAN(models.small_config(source=SOURCE))
    load_into(loaded, state, "generator")
    mel = torch.randn(1, 4, 6)
    assert torch.equal(loaded(mel), net(mel))


def test_the_last_bits_of_pitches_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other numbers of threads round otherwise: an hour later it would be another sound."""
    model = source()
    hertz = torch.full((1, 2000), 150.001)
    other = hertz + 1e-4 * torch.rand(1, 2000, generator=torch.Generator().manual_seed(1))
    voiced = torch.ones(1, 2000)
    made = []
    for pitch in (hertz, other):
        monkeypatch.setattr(model.reader, "forward", lambda _, pitch=pitch: (pitch, voiced))
        made.append(model.read(torch.zeros(1, 80, 2000), HOP))
    assert torch.equal(*made)
    drifted = [model.excitation(pitch, voiced, HOP) for pitch in (hertz, other)]
    assert (drifted[0] - drifted[1]).abs().max() > 0.1
