from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from indextts.layers.alias_free import AliasFreeActivation
from indextts.layers.bigvgan import BigVGAN
from indextts.layers.campplus import CAMPPlus
from indextts.network_configs import HarmonicSourceConfig
from tests.indextts.small_models import fill_randomly
from tests.indextts.tiny_model import BIGVGAN, tiny_config
from training.config import Schedule
from training.loop import Learner
from training.nets.critics import Critics, critic_loss, feature_loss, generator_loss
from training.nets.heads import PhonemeHead, VoiceClassifier, edit_distance
from training.nets.judgement import judge
from training.nets.smooth_upsampling import blend, smooth_upsampling
from training.nets.trainable import TrainableActivation, initialise, make_trainable


def test_the_trainable_vocoder_is_the_engines_and_has_gradients() -> None:
    vocoder = BigVGAN(BIGVGAN)
    vocoder.load_state_dict(
        fill_randomly(vocoder) | {k: v for k, v in vocoder.state_dict().items() if "filter" in k}
    )
    mel = torch.randn(2, 80, 9)
    with torch.no_grad():
        expected = vocoder(mel)
    keys = list(vocoder.state_dict())
    make_trainable(vocoder)
    made = vocoder(mel)
    assert list(vocoder.state_dict()) == keys
    assert not any(type(m) is AliasFreeActivation for m in vocoder.modules())
    assert any(isinstance(m, TrainableActivation) for m in vocoder.modules())
    torch.testing.assert_close(made, expected, atol=2e-5, rtol=1e-4)
    made.square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in vocoder.parameters())


def test_the_trainable_batch_norm_is_the_engines_in_eval_mode_and_follows_in_training() -> None:
    style = CAMPPlus(tiny_config().s2mel.style_encoder)
    initialise(style)
    features = torch.randn(4, 120, 80) * 3 + 1
    style.eval()
    with torch.no_grad():
        expected = style(features)
    make_trainable(style)
    with torch.no_grad():
        assert torch.equal(style(features), expected)
        before = {k: v.clone() for k, v in style.state_dict().items() if "running" in k}
        style.train()
        style(features)
    assert all(not torch.equal(v, style.state_dict()[k]) for k, v in before.items())


def test_phoneme_errors_are_counted_over_the_greedy_reading() -> None:
    head = PhonemeHead(4, 4)
    with torch.no_grad():
        head.linear.weight.copy_(torch.eye(4) * 9)
        head.linear.bias.zero_()
    frames = torch.eye(4)[torch.tensor([[0, 1, 1, 0, 1, 3, 3]])]
    assert head.errors(frames, torch.tensor([7]), [torch.tensor([1, 1, 3])]) == (0, 3)
    assert head.errors(frames, torch.tensor([7]), [torch.tensor([1, 2, 3, 3])]) == (2, 4)
    loss = head.loss(frames, torch.tensor([7]), [torch.tensor([1, 1, 3])])
    assert 0 < float(loss.detach()) < 1
    assert edit_distance([], [1, 2]) == 2


def test_the_margin_is_taken_from_the_right_voice_only() -> None:
    classifier = VoiceClassifier(3, 3, scale=1.0, margin=0.5)
    with torch.no_grad():
        classifier.centres.copy_(torch.eye(3))
    wanted = torch.nn.functional.cross_entropy(torch.tensor([[0.5, 0.0, 0.0]]), torch.tensor([0]))
    torch.testing.assert_close(
        classifier.loss(torch.tensor([[2.0, 0, 0]]), torch.tensor([0])), wanted
    )


def test_critics_tell_apart_and_compare() -> None:
    torch.manual_seed(0)
    critics = Critics(4)
    real, made = critics(torch.randn(1, 1, 2560)), critics(torch.zeros(1, 1, 2560))
    assert len(real) == 8
    assert float(critic_loss(real, made).detach()) > 0
    assert float(generator_loss(made).detach()) > 0
    assert float(feature_loss(real, real).detach()) == 0
    assert float(feature_loss(real, made).detach()) > 0


@pytest.mark.slow
def test_a_critic_learns_and_its_judgement_reaches_only_what_was_made() -> None:
    torch.manual_seed(0)
    learner = Learner(nn.ModuleDict({"critic": Critics(4)}), Schedule(100, 1, 1e-2, warmup=1))
    real, made = torch.randn(2, 1, 2560), torch.zeros(2, 1, 2560, requires_grad=True)
    found = [judge(learner, real, made, index) for index in range(20)]
    assert float(found[-1].critic) < 0.5 * float(found[0].critic)
    learner.modules.zero_grad()
    (found[-1].generator + found[-1].features).backward()
    assert made.grad is not None
    assert bool(made.grad.any())
    assert all(p.grad is None and p.requires_grad for p in learner.modules.parameters())


@pytest.mark.parametrize(("kernel", "stride"), [(8, 4), (7, 3), (4, 4)])
def test_a_blend_upsamples_without_a_pattern(kernel: int, stride: int) -> None:
    shape = blend(kernel, stride)
    still = torch.nn.functional.conv_transpose1d(
        torch.ones(1, 1, 20), shape[None, None], stride=stride
    )
    inside = still[..., kernel:-kernel]
    torch.testing.assert_close(inside, torch.ones_like(inside))


def test_a_still_mel_makes_no_sound_of_its_own_once_upsampling_is_smooth() -> None:
    torch.manual_seed(0)
    vocoder = BigVGAN(replace(BIGVGAN, source=HarmonicSourceConfig()))
    initialise(vocoder)
    mel = torch.randn(1, 80, 1).expand(-1, -1, 40)
    silence = torch.zeros(1, 2, 40 * vocoder.samples_per_frame)
    middle = slice(10 * vocoder.samples_per_frame, 30 * vocoder.samples_per_frame)
    with torch.no_grad():
        buzz = vocoder.signal(mel, silence)[..., middle]
        smooth_upsampling(vocoder)
        held = [up[0].weight.clone() for up in vocoder.ups]
        still = vocoder.signal(mel, silence)[..., middle]
        heard = vocoder.signal(mel)[..., middle]
        smooth_upsampling(vocoder)
    assert float(still.std()) < 1e-3 * float(buzz.std())
    assert float(heard.std()) > 10 * float(still.std())
    for before, up in zip(held, vocoder.ups, strict=True):
        torch.testing.assert_close(up[0].weight, before)
