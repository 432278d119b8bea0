"""Semantic codes and latents to mel (s2mel.md 1), and the reader of its checkpoint (5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from indextts.config import S2MelConfig
from indextts.errors import GenerationError, ModelFileError
from indextts.layers.length_regulator import LengthRegulator
from indextts.stages.flow_matching import Flow, FlowMatching
from indextts.utils.checkpoint import (
    FETCH_HINT,
    StateDict,
    fold_weight_norm,
    load_into,
    read_pickle,
    read_safetensors,
    tensors_of,
)
from indextts.utils.skeleton import skeleton

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
        flows = [
            self.begin(
                latent,
                embedding,
                prompt,
                partial(_drawn, noise, index),
                steps=steps,
                guidance=guidance,
                speed=speed,
            )
            for index, (latent, embedding) in enumerate(zip(latents, code_embeddings, strict=True))
        ]
        busy = [flow for flow in flows if flow is not None]
        if busy:
            self.cfm.finish(busy, on_step)
        silent = torch.zeros(prompt.mel.shape[1], 0, device=self.device)
        return [silent if flow is None else flow.mel for flow in flows]

    @torch.inference_mode()
    def begin(
        self,
        latent: Tensor,
        code_embedding: Tensor,
        prompt: PromptCondition,
        noise: Callable[[int], Tensor],
        *,
        steps: int | None = None,
        guidance: float | None = None,
        speed: float = 1.0,
    ) -> Flow | None:
        """The flow of one segment before its first step; None where it has no frames.

        Args:
            latent, code_embedding: float [n, D] and [n, H].
            noise: gives float32 standard normal [1, M, frames].
            prompt, steps, guidance, speed: see :meth:`mels`.

        Raises:
            GenerationError: see :meth:`mels`.
        """
        config = self.config
        prompt_frames = prompt.mel.shape[2]
        count = frames_of(len(latent), config.frames_per_code, speed)
        self._check_room(prompt_frames, count)
        if not count:
            return None
        voice = self._on_device(prompt)
        features = self._features(latent, code_embedding)
        content = self.length_regulator.rows([features], [count])[0]
        total = prompt_frames + count
        drawn = noise(total)
        if drawn.shape != (1, prompt.mel.shape[1], total):
            raise ValueError(
                f"noise must have shape {(1, prompt.mel.shape[1], total)}, but has "
                f"{tuple(drawn.shape)}"
            )
        return self.cfm.begin(
            torch.cat((voice.condition[0], content)),
            voice.mel[0],
            voice.style[0],
            config.noise_scale * drawn[0].to(self.device),
            steps=config.diffusion_steps if steps is None else steps,
            guidance_rate=config.guidance_rate if guidance is None else guidance,
        )

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

    def _check_room(self, prompt_frames: int, count: int) -> None:
        limit = self.config.DiT.max_positions
        if prompt_frames + count > limit:
            raise GenerationError(
                f"the voice clip has {prompt_frames} mel frames and a segment {count}, together "
                f"more than the {limit} the model can place; use a shorter clip or segment."
            )


def _drawn(noise: Noise, index: int, frames: int) -> Tensor:
    """The noise of one of several segments."""
    return noise(index, frames) if callable(noise) else noise[index]


def load_acoustic_model(
    path: Path, config: S2MelConfig, device: torch.device | str = "cpu"
) -> AcousticModel:
    """Read ``s2mel.pth`` or its flat ``.safetensors`` form into a model, float32.

    Raises:
        ModelFileError: the file is missing or damaged, or an entry that the model needs is
            missing or has another shape.
    """
    state = _flat_entries(path) if path.suffix == ".safetensors" else _nested_entries(path)
    with skeleton():
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
