"""Mel to waveform (vocoder.md 5), and the reader of the vocoder's checkpoint (4)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from indextts.config import load_bigvgan_config
from indextts.errors import NonFiniteAudioError
from indextts.layers.bigvgan import BigVGAN
from indextts.utils.checkpoint import StateDict, fold_weight_norm, load_into, read_state_dict


class Vocoder:
    """A loaded generator.  It keeps nothing between calls; threads may share it."""

    def __init__(self, model: BigVGAN) -> None:
        self._model = model

    @property
    def model(self) -> BigVGAN:
        """The generator."""
        return self._model

    @property
    def samples_per_frame(self) -> int:
        return self._model.samples_per_frame

    @property
    def device(self) -> torch.device:
        return self._model.conv_pre.weight.device

    @torch.inference_mode()
    def waveform(self, mel: Tensor) -> Tensor:
        """Speak a mel.

        Args:
            mel: float [num_mels, T], natural logarithm of magnitudes, without the prompt.

        Returns:
            float32 [T * samples_per_frame] in [-1, 1], on the model's device.

        Raises:
            NonFiniteAudioError: the mel or the signal holds NaN or infinity.
        """
        if mel.shape[-1] == 0:
            return torch.zeros(0, device=self.device)
        signal = self._model.signal(mel.to(self.device, torch.float32)[None])  # [1, 1, samples]
        # Looked at before the limiter, which would turn infinity into a full-scale sample.
        if not bool(torch.isfinite(signal).all()):
            raise NonFiniteAudioError(
                "the vocoder made NaN or infinite samples; if this repeats with other texts, the "
                "checkpoints are damaged or do not belong together."
            )
        return self._model.limit(signal)[0, 0]


def load_vocoder(checkpoint: Path, config: Path, device: torch.device | str = "cpu") -> Vocoder:
    """Read ``bigvgan_generator.pt`` (or a flat ``.safetensors``) and its ``config.json``.

    Weight norm is folded, plain weights are taken as they are.  A file without any filter
    buffers gets the filters of the formula.

    Raises:
        ModelFileError: a file is missing or damaged, or lacks an entry of the right shape.
        ConfigError: the configuration describes no generator that we can build.
    """
    with torch.device("meta"):
        model = BigVGAN(load_bigvgan_config(config))
    state = fold_weight_norm(read_state_dict(checkpoint, unwrap=("generator",)), checkpoint)
    if not any(key.endswith(".filter") for key in state):
        state.update(_computed_filters(model))
    load_into(model, state, checkpoint, device=device)
    return Vocoder(model)


def _computed_filters(model: BigVGAN) -> StateDict:
    """Filters are computed on the CPU when the modules are made, also under ``meta``."""
    return {key: value for key, value in model.state_dict().items() if key.endswith(".filter")}
