"""Semantic codes and latents to mel (s2mel.md 1), and the reader of its checkpoint (5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from indextts.config import S2MelConfig
from indextts.errors import GenerationError, ModelFileError
from indextts.layers.length_regulator import LengthRegulator
from indextts.stages.flow_matching import FlowMatching
from indextts.utils.checkpoint import (
    FETCH_HINT,
    StateDict,
    fold_weight_norm,
    load_into,
    read_pickle,
    read_safetensors,
    tensors_of,
)

Noise = Callable[[int, int], Tensor] | Sequence[Tensor]
"""Noise of each segment: a function (index, frames) -> [1, M, frames], or the tensors."""


@dataclass(frozen=True, eq=False)
class PromptCondition:
    """What the speaker's clip gives to this stage.

    Attributes:
        condition: float32 [1, Tr, C], from :meth:`AcousticModel.prompt_condition`.
        mel: float32 [1, M, Tr].
        style: float32 [1, style_dim].
    """

    condition: Tensor
    mel: Tensor
    style: Tensor


def frames_of(codes: int, frames_per_code: float, speed: float = 1.0) -> int:
    """Mel frames of a number of codes: the exact product, cut to an integer.

    The ratio is taken as the decimal number that it was written as, so 1.72 is 172/100.  The
    reference multiplies in float32; up to 1815 codes both give the same.  It knows no `speed`,
    by which the number of frames is divided.
    """
    return math.floor(codes * Fraction(str(frames_per_code)) / Fraction(str(speed)))


class AcousticModel(nn.Module):
    """Length regulator, projection of the latents, and the sampler.

    Attribute names are the parts of the checkpoint.
    """

    def __init__(self, config: S2MelConfig) -> None:
        super().__init__()
        self.config = config
        self.length_regulator = LengthRegulator(config.length_regulator)
        self.gpt_layer = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(config.gpt_layer)))
        self.cfm = FlowMatching(config)

    @property
    def device(self) -> torch.device:
        return self.length_regulator.content_in_proj.weight.device

    @torch.inference_mode()
    def prompt_condition(self, features: Tensor, frames: int) -> Tensor:
        """Stretch the prompt's quantised features to its mel.

        Args:
            features: float [1, T, H] (S_ref of the specification).
            frames: Tr, frames of the prompt's mel, at least 1.

        Returns:
            float32 [1, Tr, C] on the model's device.
        """
        features = features.to(self.device, torch.float32)
        return self.length_regulator.rows([features[0]], [frames])[0][None]

    @torch.inference_mode()
    def mels(
        self,
        latents: Sequence[Tensor],
        code_embeddings: Sequence[Tensor],
        prompt: PromptCondition,
        noise: Noise,
        on_step: Callable[[int], None] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        speed: float = 1.0,
    ) -> list[Tensor]:
        """Mels of segments in one voice; each is the same as if it were made alone.

        Args:
            latents: float [n_i, D] each, the language model's hidden states (any float type).
            code_embeddings: float [n_i, H] each, the codec's vectors of the codes.
            prompt: the voice.
            noise: float32 standard normal [1, M, Tr + frames_of(n_i, ...)] of each segment; a
                function is not asked for segments without frames.
            on_step: called before each step of the sampler; what it raises ends the work.
            steps: Euler steps, None for the configured number.
            guidance: guidance rate, None for the configured one.
            speed: pace of the voice; 2 makes half as many frames.

        Returns:
            float32 [M, Tg_i] each, on the model's device; [M, 0] where there are no frames.

        Raises:
            GenerationError: prompt and segment together have more frames than positions.
        """
        bands, prompt_frames = prompt.mel.shape[1:]
        counts = [frames_of(len(row), self.config.frames_per_code, speed) for row in latents]
        self._check_room(prompt_frames, counts)
        busy = [index for index, count in enumerate(counts) if count]
        results = [torch.zeros(bands, 0, device=self.device) for _ in counts]
        if not busy:
            return results
        voice = self._on_device(prompt)
        features = [self._features(latents[i], code_embeddings[i]) for i in busy]
        content = self.length_regulator.rows(features, [counts[i] for i in busy])
        totals = [prompt_frames + counts[i] for i in busy]
        drawn = [
            noise(i, n) if callable(noise) else noise[i] for i, n in zip(busy, totals, strict=True)
        ]
        mel = self.cfm.sample(
            pad_sequence([torch.cat((voice.condition[0], c)) for c in content], batch_first=True),
            torch.tensor(totals, device=self.device),
            voice.mel,
            voice.style,
            self.config.noise_scale * _padded_noise(drawn, totals, bands).to(self.device),
            steps=self.config.diffusion_steps if steps is None else steps,
            guidance_rate=self.config.guidance_rate if guidance is None else guidance,
            on_step=on_step,
        )
        for row, index in enumerate(busy):
            results[index] = mel[row, :, prompt_frames : totals[row]].clone()
        return results

    def _features(self, latent: Tensor, code_embedding: Tensor) -> Tensor:
        """S_infer of one segment: float32 [n, H]."""
        projected: Tensor = self.gpt_layer(latent.to(self.device, torch.float32))
        return projected + code_embedding.to(self.device, torch.float32)

    def _on_device(self, prompt: PromptCondition) -> PromptCondition:
        return PromptCondition(
            condition=prompt.condition.to(self.device, torch.float32),
            mel=prompt.mel.to(self.device, torch.float32),
            style=prompt.style.to(self.device, torch.float32),
        )

    def _check_room(self, prompt_frames: int, counts: Sequence[int]) -> None:
        limit = self.config.DiT.max_positions
        longest = max(counts, default=0)
        if prompt_frames + longest > limit:
            raise GenerationError(
                f"the voice clip has {prompt_frames} mel frames and a segment {longest}, together "
                f"more than the {limit} the model can place; use a shorter clip or segment."
            )


def _padded_noise(rows: Sequence[Tensor], totals: Sequence[int], bands: int) -> Tensor:
    """Rows [1, M, T_i] filled up with zeros to [B, M, max(T_i)]."""
    for row, total in zip(rows, totals, strict=True):
        if row.shape != (1, bands, total):
            raise ValueError(
                f"noise must have shape {(1, bands, total)}, but has {tuple(row.shape)}"
            )
    return pad_sequence([row[0].T for row in rows], batch_first=True).transpose(1, 2)


def load_acoustic_model(
    path: Path, config: S2MelConfig, device: torch.device | str = "cpu"
) -> AcousticModel:
    """Read ``s2mel.pth`` or its flat ``.safetensors`` form into a model, float32.

    Raises:
        ModelFileError: the file is missing or damaged, or an entry that the model needs is
            missing or has another shape.
    """
    state = _flat_entries(path) if path.suffix == ".safetensors" else _nested_entries(path)
    with torch.device("meta"):
        model = AcousticModel(config)
    needed = {key: value for key, value in state.items() if not _is_unused(key)}
    renamed = {own_key(key): value for key, value in fold_weight_norm(needed, path).items()}
    load_into(model, renamed, path, device=device)
    return model


_PARTS = ("cfm", "length_regulator", "gpt_layer")


def own_key(key: str) -> str:
    """Our name of a checkpoint's entry: the reference wraps the WaveNet's convolutions twice."""
    return key.replace(".conv.conv.", ".")


def _is_unused(key: str) -> bool:
    """Weight-normed entries that no forward pass reads need not be folded."""
    return key.startswith("cfm.estimator.x_embedder.")


def _nested_entries(path: Path) -> StateDict:
    """``<part>.<key>`` of ``{"net": {part: {key: tensor}}}``, data-parallel prefixes taken off."""
    net = _entry(read_pickle(path), "net", path)
    return {
        f"{part}.{key}": value
        for part in _PARTS
        for key, value in tensors_of(_entry(net, part, path), path).items()
    }


def _entry(content: object, name: str, path: Path) -> object:
    if isinstance(content, Mapping):
        for key in (name, f"module.{name}"):
            if key in content:
                return content[key]
    raise ModelFileError(
        path,
        f"has no entry {name!r}; is it another model's file?",
        FETCH_HINT.format(folder=path.parent),
    )


def _flat_entries(path: Path) -> StateDict:
    """The same from ``<part>.<key>`` at one level."""
    entries: StateDict = {}
    for key, value in read_safetensors(path).items():
        part, _, rest = key.removeprefix("module.").partition(".")
        if part in _PARTS:
            entries[f"{part}.{rest.removeprefix('module.')}"] = value
    return entries
