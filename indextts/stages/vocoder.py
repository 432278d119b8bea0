"""Mel to waveform (vocoder.md 5), and the reader of the vocoder's checkpoint (4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
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
# Frames of the first parts of a sound that somebody waits for.  Each lasts longer than the next one
# takes, its margins included, as long as the vocoder is about seven times as fast as speech.
EARLY_PARTS = (24, 96)


@dataclass(frozen=True)
class Window:
    """A stretch of frames to read, and the part of it whose sound is kept."""

    start: int
    stop: int
    keep_from: int
    keep_to: int


def windows(frames: int, size: int | None, margin: int, kept: int = 0) -> Iterator[Window]:
    """Windows of one size whose kept parts make up all frames; one shorter window if they fit it.

    Args:
        frames: in all.
        size: frames a window reads; None: as many as there are.
        margin: frames of context that every kept part has in its window, except where the mel
            itself begins or ends.
        kept: frames at the beginning that other windows keep.

    Raises:
        ValueError: nothing would be left between the margins.
    """
    if size is not None and size <= 2 * margin:
        raise ValueError(f"a window must have more than {2 * margin} frames, not {size}")
    left = frames - max(kept - margin, 0)
    size = left if size is None else min(size, frames)
    while kept < frames:
        start = min(max(kept - margin, 0), frames - size)
        stop = start + size
        end = frames if stop == frames else stop - margin
        yield Window(start, stop, kept, end)
        kept = end


def early_windows(frames: int, size: int | None, margin: int) -> Iterator[Window]:
    """The same with :data:`EARLY_PARTS` first, each as long as as much again lies behind it."""
    kept = 0
    for part in EARLY_PARTS:
        if kept + 2 * part > frames:
            break
        start, stop = max(kept - margin, 0), min(kept + part + margin, frames)
        yield Window(start, stop, kept, kept + part)
        kept += part
    yield from windows(frames, size, margin, kept)


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
        voicing = self.begin(mel)
        parts = [torch.zeros(0, device=self.device)]
        while not voicing.ended:
            parts.append(voicing.next_part())
        return torch.cat(parts)

    @torch.inference_mode()
    def begin(self, mel: Tensor, *, early: bool = False) -> Voicing:
        """Speak a mel part by part.

        Args:
            mel: as for :meth:`waveform`.
            early: the first parts are short, and soon there.  All is the same sound within
                rounding, and takes a little longer.
        """
        mel = mel.to(self.device, torch.float32)[None]
        parts = (early_windows if early else windows)(mel.shape[-1], self._window, self.margin)
        return Voicing(self._model, mel, parts)


class Voicing:
    """A mel on its way to sound.

    Args:
        model: the generator.
        mel: float32 [1, num_mels, T], on its device.
        parts: windows whose kept parts make up the mel, in order.
    """

    def __init__(self, model: BigVGAN, mel: Tensor, parts: Iterable[Window]) -> None:
        self._model, self._mel = model, mel
        self._parts = deque(parts)
        # The source counts a phase from the start on, so it is played in one go.
        self._excitation = model.excitation(mel) if self._parts else None

    @property
    def ended(self) -> bool:
        """Whether there are no more parts."""
        return not self._parts

    @torch.inference_mode()
    def next_part(self) -> Tensor:
        """The next part of the waveform, float32 [n], on the model's device.

        A part that fails can be asked for again.

        Raises:
            NonFiniteAudioError: the mel or the signal holds NaN or infinity.
        """
        part, scale = self._parts[0], self._model.samples_per_frame
        excitation = self._excitation
        if excitation is not None:
            excitation = excitation[..., part.start * scale : part.stop * scale]
        signal = self._model.signal(self._mel[..., part.start : part.stop], excitation)
        first, last = part.keep_from - part.start, part.keep_to - part.start
        signal = signal[..., first * scale : last * scale]
        # Looked at before the limiter, which would turn infinity into a full-scale sample.
        if not bool(torch.isfinite(signal).all()):
            raise NonFiniteAudioError(
                "the vocoder made NaN or infinite samples; if this repeats with other texts, the "
                "checkpoints are damaged or do not belong together."
            )
        self._parts.popleft()
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
