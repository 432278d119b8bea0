"""The semantic codec: a ConvNeXt encoder and one factorised codebook (codec_and_speaker.md 1).

Attribute names are the keys of ``amphion/MaskGCT``'s semantic codec, with the weight norm of the
two projections folded in.  The codec's decoder is never used and not built.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from indextts.config import SemanticCodecConfig
from indextts.errors import GenerationError

KERNEL = 7
NORM_EPS = 1e-6


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim: int, inner_dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(dim))
        self.dwconv = nn.Conv1d(dim, dim, KERNEL, padding=KERNEL // 2, groups=dim)
        self.norm = nn.LayerNorm(dim, NORM_EPS)
        self.pwconv1 = nn.Linear(dim, inner_dim)
        self.pwconv2 = nn.Linear(inner_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B, V, T] -> [B, V, T]."""
        y = self.norm(self.dwconv(x).transpose(1, 2))  # [B, T, V]
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        out: Tensor = x + y.transpose(1, 2)
        return out


class VocosBackbone(nn.Module):
    """The convolutional backbone of Vocos: [B, T, H] -> [B, T, V]."""

    def __init__(self, config: SemanticCodecConfig) -> None:
        super().__init__()
        dim = config.vocos_dim
        self.embed = nn.Conv1d(config.hidden_size, dim, KERNEL, padding=KERNEL // 2)
        self.norm = nn.LayerNorm(dim, NORM_EPS)
        self.convnext = nn.ModuleList(
            ConvNeXtBlock(dim, config.vocos_intermediate_dim)
            for _ in range(config.vocos_num_layers)
        )
        self.final_layer_norm = nn.LayerNorm(dim, NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x.transpose(1, 2))  # [B, V, T]
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        out: Tensor = self.final_layer_norm(x.transpose(1, 2))  # [B, T, V]
        return out


class FactorizedCodebook(nn.Module):
    """Nearest neighbour in a small space of directions, d dimensions wide."""

    in_project: nn.Module
    out_project: nn.Module

    def __init__(self, config: SemanticCodecConfig) -> None:
        super().__init__()
        wide, narrow = config.hidden_size, config.codebook_dim
        if wide == narrow:
            self.in_project, self.out_project = nn.Identity(), nn.Identity()
        else:
            self.in_project = nn.Conv1d(wide, narrow, 1)
            self.out_project = nn.Conv1d(narrow, wide, 1)
        self.codebook = nn.Embedding(config.codebook_size, narrow)

    def search(self, hidden: Tensor) -> Tensor:
        """[B, H, T] -> index of the nearest entry, int64 [B, T]; the first one where two tie."""
        direction = F.normalize(self.in_project(hidden).transpose(1, 2), dim=-1)  # [B, T, d]
        entries = F.normalize(self.codebook.weight, dim=-1)  # [size, d]
        distance = (
            direction.square().sum(-1, keepdim=True)
            - 2.0 * direction @ entries.T
            + entries.square().sum(-1)
        )  # [B, T, size]
        return distance.argmin(-1)

    def lookup(self, codes: Tensor) -> Tensor:
        """int64 [B, L] -> the entries as they are stored, widened: [B, H, L]."""
        out: Tensor = self.out_project(self.codebook(codes).transpose(1, 2))
        return out


class ResidualQuantizer(nn.Module):
    """Named for its keys; the model has a single codebook and no residual."""

    def __init__(self, config: SemanticCodecConfig) -> None:
        super().__init__()
        self.quantizers = nn.ModuleList([FactorizedCodebook(config)])

    @property
    def codebook(self) -> FactorizedCodebook:
        only = self.quantizers[0]
        assert isinstance(only, FactorizedCodebook)
        return only


class RepCodec(nn.Module):
    """Semantic features to codes, and codes to embeddings."""

    def __init__(self, config: SemanticCodecConfig) -> None:
        super().__init__()
        self.codebook_size = config.codebook_size
        self.encoder = nn.Sequential(
            VocosBackbone(config), nn.Linear(config.vocos_dim, config.hidden_size)
        )
        self.quantizer = ResidualQuantizer(config)

    def quantize(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Replace each frame by what the codebook holds for it.

        Args:
            x: float32 [B, T, H], normalised semantic features.

        Returns:
            codes int64 [B, T], and their embedding `S_ref` float32 [B, T, H].
        """
        codebook = self.quantizer.codebook
        codes = codebook.search(self.encoder(x).transpose(1, 2))
        return codes, codebook.lookup(codes).transpose(1, 2)

    def embed(self, codes: Tensor) -> Tensor:
        """Embeddings of generated codes.

        Args:
            codes: int64 [B, L] on any device, L >= 1, each below codebook_size.

        Returns:
            float32 [B, L, H] on the codec's device.

        Raises:
            GenerationError: there is none, or a start or stop token is among them.  On CUDA a
                lookup out of range would spoil the whole process, so this looks first.
        """
        if not codes.numel():
            raise GenerationError("there are no codes to embed")
        codes = codes.to(self.quantizer.codebook.codebook.weight.device)
        low, high = (int(bound) for bound in codes.aminmax())
        if low < 0 or high >= self.codebook_size:
            raise GenerationError(
                f"codes reach from {low} to {high}, the codebook has {self.codebook_size} "
                "entries; cut the sequence at its first stop or start token"
            )
        return self.quantizer.codebook.lookup(codes).transpose(1, 2)
