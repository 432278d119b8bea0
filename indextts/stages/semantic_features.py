"""From a 16 kHz signal to normalised semantic features (audio.md 4 and 5)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from indextts.errors import ConfigError, ModelFileError
from indextts.layers.w2v_bert import W2VBertEncoder
from indextts.network_configs import W2VBertConfig, load_w2v_bert_config
from indextts.utils.checkpoint import FETCH_HINT, load_into, read_safetensors, read_state_dict
from indextts.utils.fbank import speech_features
from indextts.utils.skeleton import skeleton

# Models with a head on top keep the encoder under this name.
HEAD_PREFIX = "wav2vec2_bert."


class SemanticFeatures:
    """The speech encoder's hidden state, minus its mean and divided by its deviation.

    Holds weights only, so threads may share it.

    Args:
        encoder: on `device`, in eval mode.
        mean: float32 [D].
        deviation: float32 [D], square root of the variance.
        device: where the encoder is.
    """

    def __init__(
        self, encoder: W2VBertEncoder, mean: Tensor, deviation: Tensor, device: torch.device
    ) -> None:
        self.encoder = encoder
        self.mean = mean
        self.deviation = deviation
        self.device = device
        self._bins = encoder.feature_projection.projection.in_features // 2

    def __call__(self, wave: Tensor) -> Tensor:
        """Encode one clip.

        Args:
            wave: float32 [1, n] at 16 kHz, on any device.

        Returns:
            float32 [1, T, D] on the stage's device, T = ceil(frames / 2), 50 a second.  With an
            odd number of 10 ms frames the last one is masked inside but kept here.

        Raises:
            AudioError: too short.
        """
        features, mask = speech_features(wave, self._bins)
        hidden = self.encoder(features.to(self.device), mask.to(self.device))  # [1, T, D]
        normal: Tensor = (hidden - self.mean) / self.deviation
        return normal


def load_semantic_features(
    folder: Path, stats: Path, layer: int, device: torch.device | str
) -> SemanticFeatures:
    """Load the first `layer` layers of ``w2v-bert-2.0`` and the statistics of their output.

    Args:
        folder: holds ``config.json`` and ``model.safetensors``.
        stats: ``wav2vec2bert_stats.pt`` with `mean` and `var`.
        layer: which hidden state is the feature (17).
        device: where to run.

    Raises:
        ModelFileError: a file is missing, damaged or of another model.
        ConfigError: ``config.json`` describes an encoder that we cannot run.
    """
    config = load_w2v_bert_config(folder / "config.json")
    if not 0 < layer <= config.num_hidden_layers:
        raise ConfigError(
            f"semantic_layer is {layer}, but {folder / 'config.json'} has "
            f"num_hidden_layers {config.num_hidden_layers}"
        )
    where = torch.device(device)
    encoder = _load_encoder(folder / "model.safetensors", config, layer, where)
    mean, deviation = _load_stats(stats, config.hidden_size, where)
    return SemanticFeatures(encoder, mean, deviation, where)


def _load_encoder(
    path: Path, config: W2VBertConfig, layer: int, device: torch.device
) -> W2VBertEncoder:
    with skeleton():
        encoder = W2VBertEncoder(config, layer)
    needed = frozenset(encoder.state_dict())
    state = read_safetensors(path, wanted=lambda key: key.removeprefix(HEAD_PREFIX) in needed)
    state = {key.removeprefix(HEAD_PREFIX): value for key, value in state.items()}
    load_into(encoder, state, path, device=device)
    return encoder


def _load_stats(path: Path, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    content = read_state_dict(path)
    hint = FETCH_HINT.format(folder=path.parent)
    found: list[Tensor] = []
    for name in ("mean", "var"):
        value = content.get(name)
        if value is None:
            raise ModelFileError(path, f"has no tensor {name!r}.", hint)
        if value.shape != (width,):
            raise ModelFileError(
                path, f"{name!r} has shape {tuple(value.shape)}, expected ({width},).", hint
            )
        found.append(value.to(torch.float32))
    mean, variance = found
    if not (mean.isfinite().all() and variance.isfinite().all() and (variance > 0).all()):
        raise ModelFileError(path, "holds a mean or variance that is no usable number.", hint)
    return mean.to(device), variance.sqrt().to(device)
