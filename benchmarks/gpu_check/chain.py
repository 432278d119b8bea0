"""The stages one by one, each on inputs that may have been made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu_check.bench import Bench, speech
from benchmarks.gpu_check.decoding import free_session
from indextts.sampling import SamplingOptions
from indextts.stages.acoustic import PromptCondition
from indextts.stages.decoding.decoder import CodeDecoder
from indextts.stages.networks import Networks
from indextts.utils.mel import mel_spectrogram
from indextts.utils.resample import speaker_signal, to_16k

STEPS = 24  # of the scores with a cache


@dataclass(frozen=True, eq=False)
class Material:
    """What the first stages read, on the CPU.

    Attributes:
        wave, wave16: float32 [1, n], the clip at the model's rate and at 16 kHz.
        text: int64 [L].
        codes: how many are drawn.
        seed: of the sampler's noise.
    """

    wave: Tensor
    wave16: Tensor
    text: Tensor
    codes: int
    seed: int


@dataclass(frozen=True, eq=False)
class Outputs:
    """What the stages make; float32 on the networks' device, but for the codes.

    Attributes:
        features, quantized: [1, T, H]; tokens: int64 [1, T], the codec's.
        style: [1, style]; latents: [1, N, D]; emotion: [1, D].
        prompt_mel: [1, M, Tr]; condition: [1, Tr, C].
        scores: [STEPS, V - 2], with the cache; hidden: [n, D], without it.
        codes, beam_codes: int64 [n], the greedy ones of one beam and of three.
        mel: [M, n']; waveform: [samples].
    """

    features: Tensor
    tokens: Tensor
    quantized: Tensor
    style: Tensor
    latents: Tensor
    emotion: Tensor
    prompt_mel: Tensor
    condition: Tensor
    scores: Tensor
    codes: Tensor
    beam_codes: Tensor
    hidden: Tensor
    mel: Tensor
    waveform: Tensor

    @property
    def prompt(self) -> PromptCondition:
        return PromptCondition(self.condition, self.prompt_mel, self.style)


def make_material(bench: Bench, networks: Networks, seconds: float, codes: int) -> Material:
    """A clip of a length, a text of 20 tokens, and how many codes to draw."""
    rate = networks.reference.preprocess.sr
    wave = speaker_signal(speech(bench.seed, seconds), rate)
    return Material(wave, to_16k(wave, rate), torch.arange(3, 23), codes, bench.seed)


@torch.inference_mode()
def run_chain(networks: Networks, material: Material, given: Outputs | None = None) -> Outputs:
    """Every stage once.

    Args:
        networks: on any device.
        material: what the first stages read.
        given: outputs of other networks; then each stage reads these instead of what the stage
            before it has made here, so that differences do not add up.
    """
    device, reference = networks.gpt.device, networks.reference

    def take(own: Tensor, name: str) -> Tensor:
        return own if given is None else getattr(given, name).to(device)

    features = reference.features(material.wave16)
    heard = take(features, "features")
    tokens, quantized = networks.codec.quantize(heard)
    latents, emotion = reference.conditioner.voice(heard), reference.conditioner.emotion(heard)
    style = reference.style(material.wave16)
    prompt_mel = mel_spectrogram(
        material.wave.to(device), reference.preprocess.spect_params, reference.preprocess.sr
    )
    condition = reference.acoustic.prompt_condition(
        take(quantized, "quantized"), prompt_mel.shape[2]
    )
    condition_rows = reference.conditioner.condition(
        take(latents, "latents"), take(emotion, "emotion")
    )[0]
    text = material.text.to(device)
    prefix = networks.gpt.prefix(condition_rows, text)
    codes = _greedy(networks, prefix, material.codes, 1)
    spoken = take(codes, "codes")
    hidden = networks.gpt.latents([condition_rows], [text], [spoken])[0]
    mel = reference.acoustic.mels(
        [take(hidden, "hidden")],
        [networks.codec.embed(spoken[None])[0]],
        PromptCondition(
            take(condition, "condition"), take(prompt_mel, "prompt_mel"), take(style, "style")
        ),
        lambda _, frames: _noise(material.seed, prompt_mel.shape[1], frames).to(device),
    )[0]
    return Outputs(
        features=features,
        tokens=tokens,
        quantized=quantized,
        style=style,
        latents=latents,
        emotion=emotion,
        prompt_mel=prompt_mel,
        condition=condition,
        scores=_scores(networks, prefix, spoken),
        codes=codes,
        beam_codes=_greedy(networks, prefix, material.codes, 3),
        hidden=hidden,
        mel=mel,
        waveform=networks.vocoder.waveform(take(mel, "mel")),
    )


def _noise(seed: int, bands: int, frames: int) -> Tensor:
    """Drawn on the CPU: a GPU draws other numbers."""
    return torch.randn(1, bands, frames, generator=torch.Generator().manual_seed(seed))


def _greedy(networks: Networks, prefix: Tensor, count: int, beams: int) -> Tensor:
    options = SamplingOptions(do_sample=False, num_beams=beams)
    decoder = CodeDecoder(networks.gpt, "off")
    return decoder.generate([prefix], [count], options, lambda: [])[0].codes


def _scores(networks: Networks, prefix: Tensor, codes: Tensor) -> Tensor:
    """Scores of the first steps, told which codes were spoken: float32 [STEPS, V - 2].

    START and STOP are left out: stand-in weights have an odd bias there, which would hide the rest.
    """
    session = free_session(networks.gpt, [prefix], 1)
    start = codes.new_full((1,), networks.gpt.config.start_mel_token)
    fed = torch.cat((start, codes))[: min(STEPS, len(codes) + 1)]
    rows = [session.step(fed[i : i + 1], None, i)[0] for i in range(len(fed))]
    return torch.stack(rows)[:, : networks.gpt.config.start_mel_token]
