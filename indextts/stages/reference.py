"""Everything the model takes from the reference clips, computed once per clip (pipeline.md 3).

Results are kept under the hash of the clip's content, never under a name: two clips
can not be taken for each other, and the same clip is found again however it arrived.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from indextts.config import PreprocessConfig
from indextts.errors import AudioError
from indextts.layers.rep_codec import RepCodec
from indextts.request import ReferenceAudio
from indextts.stages.acoustic import AcousticModel, PromptCondition
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.semantic_features import SemanticFeatures
from indextts.stages.speaker_style import SpeakerStyle
from indextts.utils.lru import ByteLRU
from indextts.utils.mel import mel_spectrogram
from indextts.utils.resample import emotion_signal, speaker_signal, to_16k


@dataclass(frozen=True, eq=False)
class Voice:
    """A speaker's clip as the model hears it.

    Attributes:
        latents: float32 [1, N, D], the GPT's voice latents.
        emotion: float32 [1, D], the emotion vector of this clip by the speaker path.
        prompt: what the acoustic model continues.
    """

    latents: Tensor
    emotion: Tensor
    prompt: PromptCondition

    @property
    def style(self) -> Tensor:
        """float32 [1, style_dim]."""
        return self.prompt.style


@dataclass(frozen=True, eq=False)
class ReferenceNetworks:
    """The networks that read clips; all but `acoustic` may be on the CPU while that is not."""

    features: SemanticFeatures
    codec: RepCodec
    style: SpeakerStyle
    conditioner: ReferenceConditioner
    acoustic: AcousticModel
    preprocess: PreprocessConfig


ReferenceCache = ByteLRU[tuple[str, str, str], Voice | Tensor]
"""What is remembered of clips, by encoder, path and content."""


class ReferenceEncoder:
    """Clips in, conditioning on the acoustic model's device out, through a cache.

    Args:
        networks: that read the clips.
        cache: what is remembered; encoders with a `name` each may share one.
        name: of this encoder.
        prompt_seconds: what the acoustic model reads of a clip at most: its end, which is next to
            the speech; None: all.
    """

    def __init__(
        self,
        networks: ReferenceNetworks,
        cache: ReferenceCache,
        name: str = "",
        prompt_seconds: float | None = None,
    ) -> None:
        self._networks, self._cache, self._name = networks, cache, name
        self._prompt_frames: int | None = None
        if prompt_seconds is not None:
            rate, hop = networks.preprocess.sr, networks.preprocess.spect_params.hop_length
            self._prompt_frames = max(1, round(prompt_seconds * rate / hop))

    def voice(self, clip: ReferenceAudio) -> Voice:
        """What the speaker's clip gives; raises AudioError when the clip cannot be used."""
        key = (self._name, "voice", clip.digest)
        voice = self._cache.get_or_make(key, lambda: self._voice(clip))
        assert isinstance(voice, Voice)
        return voice

    def emotion(self, clip: ReferenceAudio) -> Tensor:
        """Emotion vector [1, D] of a clip by the emotion path; raises AudioError likewise."""
        key = (self._name, "emotion", clip.digest)
        vector = self._cache.get_or_make(key, lambda: self._emotion(clip))
        assert isinstance(vector, Tensor)
        return vector

    @torch.inference_mode()
    def _voice(self, clip: ReferenceAudio) -> Voice:
        n = self._networks
        rate, device = n.preprocess.sr, n.acoustic.device
        wave = speaker_signal(clip, rate)  # [1, n]
        wave16 = to_16k(wave, rate)
        features = n.features(wave16)  # [1, T, H], where clips are read
        _, quantized = n.codec.quantize(features)
        mel = mel_spectrogram(wave.to(device), n.preprocess.spect_params, rate)
        _check_finite(features, mel)
        return Voice(
            latents=n.conditioner.voice(features).to(device),
            emotion=n.conditioner.emotion(features).to(device),
            prompt=self._cut(
                PromptCondition(
                    condition=n.acoustic.prompt_condition(quantized, mel.shape[2]),
                    mel=mel,
                    style=n.style(wave16).to(device),
                )
            ),
        )

    def _cut(self, prompt: PromptCondition) -> PromptCondition:
        """The part of a clip that the acoustic model reads."""
        frames = self._prompt_frames
        if frames is None or prompt.mel.shape[2] <= frames:
            return prompt
        # Copies: a view would keep the whole in the cache.
        return PromptCondition(
            condition=prompt.condition[:, -frames:].clone(),
            mel=prompt.mel[..., -frames:].clone(),
            style=prompt.style,
        )

    @torch.inference_mode()
    def _emotion(self, clip: ReferenceAudio) -> Tensor:
        n = self._networks
        features = n.features(emotion_signal(clip))
        _check_finite(features)
        return n.conditioner.emotion(features).to(n.acoustic.device)


def _check_finite(*tensors: Tensor) -> None:
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise AudioError("the clip gives features that are not finite; try another recording")


def reference_cache(max_bytes: int) -> ReferenceCache:
    """An empty cache for encoders, bounded in bytes."""
    return ByteLRU(max_bytes, _bytes)


def _bytes(value: Voice | Tensor) -> int:
    if isinstance(value, Tensor):
        return value.nbytes
    prompt = value.prompt
    tensors = (value.latents, value.emotion, prompt.condition, prompt.mel, prompt.style)
    return sum(tensor.nbytes for tensor in tensors)
