"""Mel to waveform (vocoder.md 5), and the reader of the vocoder's checkpoint (4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from indextts.errors import NonFiniteAudioError
from indextts.layers.bigvgan import BigVGAN
from indextts.layers.fused_snake import fuse_activations
from indextts.network_configs import load_bigvgan_config
from indextts.utils.checkpoint import StateDict, fold_weight_norm, load_into, read_state_dict
from indextts.utils.skeleton import skeleton

# Frames that CUDA reads at a time.  For each new length of a convolution cuDNN looks for a plan
# anew, which for all of this net takes longer than the overlap of windows of one length.
CUDA_WINDOW = 512


@dataclass(frozen=True)
class Window:
    """A stretch of frames to read, and the part of it whose sound is kept."""

    start: int
    stop: int
    keep_from: int
    keep_to: int


def windows(frames: int, size: int, margin: int) -> Iterator[Window]:
    """Windows of one size whose kept parts make up all frames; one shorter window if they fit it.

    Args:
        frames: in all.
        size: frames a window reads.
        margin: frames of context that every kept part has in its window, except where the mel
            itself begins or ends.

    Raises:
        ValueError: nothing would be left between the margins.
    """
    if size <= 2 * margin:
        raise ValueError(f"a window must have more than {2 * margin} frames, not {size}")
    size = min(size, frames)
    kept = 0
    while kept < frames:
        start = min(max(kept - margin, 0), frames - size)
        stop = start + size
        end = frames if stop == frames else stop - margin
        yield Window(start, stop, kept, end)
        kept = end


class Vocoder:
    """A loaded generator.  It keeps nothing between calls; threads may share it.

    Args:
        model: the generator.
        window: frames that it reads at a time, more than 2 * margin; None: all.
    """

    def __init__(self, model: BigVGAN, window: int | None = None) -> None:
        self._model = model
        self._window = window

    @property
    def window(self) -> int | None:
        """As given."""
        return self._window

    @property
    def model(self) -> BigVGAN:
        """The generator."""
        return self._model

    @property
    def margin(self) -> int:
        """Frames on either side that a sample depends on."""
        return self._model.margin

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
        parts = list(self._signals(mel, self._window))
        return self._limited(parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1))

    @torch.inference_mode()
    def pieces(self, mel: Tensor, window: int) -> Iterator[Tensor]:
        """Speak a mel piece by piece: the same sound within rounding, the first of it earlier.

        Args:
            mel: as for :meth:`waveform`.
            window: frames to read at a time, more than 2 * margin.

        Yields:
            float32 [n] each, on the model's device; together they are the waveform.

        Raises:
            NonFiniteAudioError, ValueError: see :meth:`waveform` and :func:`windows`.
        """
        if mel.shape[-1]:
            for part in self._signals(mel, window):
                yield self._limited(part)

    def _signals(self, mel: Tensor, window: int | None) -> Iterator[Tensor]:
        """Consecutive parts of the signal, [1, 1, n] each."""
        model, scale = self._model, self._model.samples_per_frame
        mel = mel.to(self.device, torch.float32)[None]
        if window is None or mel.shape[-1] <= window:
            yield model.signal(mel)
            return
        # The source counts a phase from the start on, so it is played in one go.
        excitation = model.excitation(mel)
        for part in windows(mel.shape[-1], window, model.margin):
            played = excitation
            if played is not None:
                played = played[..., part.start * scale : part.stop * scale]
            signal = model.signal(mel[..., part.start : part.stop], played)
            first, last = part.keep_from - part.start, part.keep_to - part.start
            yield signal[..., first * scale : last * scale]

    def _limited(self, signal: Tensor) -> Tensor:
        """[1, 1, n] -> [n]."""
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
    with skeleton():
        model = BigVGAN(load_bigvgan_config(config))
    state = fold_weight_norm(read_state_dict(checkpoint, unwrap=("generator",)), checkpoint)
    if not any(key.endswith(".filter") for key in state):
        state.update(_computed_filters(model))
    load_into(model, state, checkpoint, device=device)
    return vocoder_on(model, torch.device(device))


def vocoder_on(model: BigVGAN, device: torch.device) -> Vocoder:
    """A vocoder of a generator on a device, as suits the device."""
    fuse_activations(model, device)
    return Vocoder(model, max(CUDA_WINDOW, 3 * model.margin) if device.type == "cuda" else None)


def _computed_filters(model: BigVGAN) -> StateDict:
    """Filters are computed on the CPU when the modules are made, also under ``meta``."""
    return {key: value for key, value in model.state_dict().items() if key.endswith(".filter")}
