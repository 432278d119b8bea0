"""Load the semantic codec (codec_and_speaker.md 1.4)."""

from __future__ import annotations

from pathlib import Path

import torch

from indextts.config import SemanticCodecConfig
from indextts.layers.rep_codec import RepCodec
from indextts.utils.checkpoint import fold_weight_norm, load_into, read_state_dict
from indextts.utils.skeleton import skeleton


def load_semantic_codec(
    path: Path, config: SemanticCodecConfig, device: torch.device | str
) -> RepCodec:
    """Read the encoder and the codebook; the decoder, which nobody calls, stays in the file.

    Args:
        path: ``semantic_codec_model.safetensors``.
        config: section ``semantic_codec`` of ``config.yaml``.
        device: where to run.

    Raises:
        ModelFileError: missing, damaged, or of other dimensions than `config`.
    """
    with skeleton():
        codec = RepCodec(config)
    state = {
        key: value
        for key, value in read_state_dict(path).items()
        if key.startswith(("encoder.", "quantizer."))
    }
    load_into(codec, fold_weight_norm(state, path), path, device=device)
    return codec
