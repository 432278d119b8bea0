"""From a 16 kHz signal to the speaker's style vector (codec_and_speaker.md 2)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from indextts.config import StyleEncoderConfig
from indextts.errors import AudioError
from indextts.layers.campplus import CAMPPlus
from indextts.utils.checkpoint import load_into, read_state_dict
from indextts.utils.fbank import kaldi_fbank
from indextts.utils.skeleton import skeleton

# Two frames are left of three after the network's stride; one has no standard deviation.
MIN_FRAMES = 3


class SpeakerStyle:
    """The speaker encoder together with its features.  Holds weights only.

    Args:
        encoder: on `device`, in eval mode.
        feat_dim: number of filters that the encoder was built for.
        device: where the encoder is.
    """

    def __init__(self, encoder: CAMPPlus, feat_dim: int, device: torch.device) -> None:
        self.encoder = encoder
        self.feat_dim = feat_dim
        self.device = device

    def __call__(self, wave: Tensor) -> Tensor:
        """float32 [1, n] at 16 kHz, on any device -> style, float32 [1, dim], on the stage's.

        Raises:
            AudioError: too short.
        """
        fbank = kaldi_fbank(wave, self.feat_dim)  # [m, feat_dim]
        if fbank.shape[0] < MIN_FRAMES:
            raise AudioError(f"{wave.shape[-1]} samples at 16 kHz are too short to know a voice")
        centred = fbank - fbank.mean(dim=0, keepdim=True)
        style: Tensor = self.encoder(centred[None].to(self.device))
        return style


def load_speaker_style(
    path: Path, config: StyleEncoderConfig, device: torch.device | str
) -> SpeakerStyle:
    """Read CAMPPlus.

    Args:
        path: ``campplus_cn_common.bin``, or the same as safetensors.
        config: section ``s2mel.style_encoder`` of ``config.yaml``.
        device: where to run.

    Raises:
        ModelFileError: missing, damaged, or of other dimensions than `config`.
    """
    with skeleton():
        encoder = CAMPPlus(config)
    load_into(encoder, read_state_dict(path), path, device=device)
    return SpeakerStyle(encoder, config.feat_dim, torch.device(device))
