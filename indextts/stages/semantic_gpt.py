"""The GPT that turns text into semantic codes, and codes into latents (gpt.md 1, 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from indextts.config import GPTConfig
from indextts.errors import TextError
from indextts.layers.gpt2 import GPT2, doubled


class PositionTable(nn.Module):
    """Learned positions."""

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(length, dim)

    def first(self, count: int) -> Tensor:
        """Rows 0...count-1, [count, D]."""
        return self.emb.weight[:count]


class SemanticGPT(nn.Module):
    """The part of ``gpt.pth`` that reads text and speaks codes."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.model_dim
        self.text_embedding = nn.Embedding(config.number_text_tokens + 1, dim)
        self.text_pos_embedding = PositionTable(config.max_text_tokens + 2, dim)
        self.mel_embedding = nn.Embedding(config.number_mel_codes, dim)
        self.mel_pos_embedding = PositionTable(config.max_mel_tokens + 3, dim)
        self.gpt = GPT2(dim, config.heads, config.layers)
        self.final_norm = nn.LayerNorm(dim, eps=1e-5)
        self.mel_head = nn.Linear(dim, config.number_mel_codes)

    @property
    def device(self) -> torch.device:
        return self.mel_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.mel_head.weight.dtype

    def prefix(self, condition: Tensor, text_ids: Tensor) -> Tensor:
        """Everything before the first code: [M, D] with M = conditions + L + 2.

        Args:
            condition: [N, D].
            text_ids: int64 [L]; the ids of the start and stop tokens are dropped from it.
        """
        c = self.config
        kept = text_ids[(text_ids != c.start_text_token) & (text_ids != c.stop_text_token)]
        return torch.cat((condition.to(self.dtype), self._text(kept)))

    def _text(self, text_ids: Tensor) -> Tensor:
        """Text rows [L + 2, D]: start, the ids, stop."""
        if len(text_ids) > self.config.max_text_tokens:
            raise TextError(
                f"a segment has {len(text_ids)} text tokens, the model takes at most "
                f"{self.config.max_text_tokens}"
            )
        ids = F.pad(text_ids, (1, 0), value=self.config.start_text_token)
        ids = F.pad(ids, (0, 1), value=self.config.stop_text_token)
        return self.text_embedding(ids) + self.text_pos_embedding.first(len(ids))

    def embed_step(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Input of a decoding step, [R, D].

        Args:
            tokens: int64 [R], START in the first step, then the codes just drawn.
            position: int64 [R], or a scalar tensor for all rows: the number of codes drawn so far.

        The first code is fed back with position 2: decoding never uses position 1 (gpt.md 1.2).
        """
        index = position + (position > 0).long()
        return self.mel_embedding(tokens) + self.mel_pos_embedding.emb(index)

    def suit_processor(self, replaced: Callable[[Tensor], object] = lambda weight: None) -> None:
        """See :meth:`indextts.layers.gpt2.GPT2.suit_processor`."""
        self.gpt.suit_processor(replaced)
        if self.gpt.is_small:
            # As in the blocks: a row's scores do not depend on the rows beside it.
            self.mel_head.weight.data = self.mel_head.weight.data.t().contiguous().t()

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] of the stack -> float32 scores [..., V]."""
        normed = self.final_norm(hidden)
        return self.mel_head(doubled(normed))[: len(hidden)].float()

    def latents(
        self,
        conditions: Sequence[Tensor],
        text_ids: Sequence[Tensor],
        codes: Sequence[Tensor],
    ) -> list[Tensor]:
        """The second pass, without cache: hidden states that predict each code (gpt.md 5).

        Args:
            conditions: per sequence [N, D].
            text_ids: per sequence int64 [L].
            codes: per sequence int64 [n], without STOP.

        Returns:
            Per sequence float32 [n, D].
        """
        c = self.config
        rows, ends = [], []
        for condition, ids, sequence in zip(conditions, text_ids, codes, strict=True):
            mel = F.pad(F.pad(sequence, (1, 0), value=c.start_mel_token), (0, 1))
            mel[-1] = c.stop_mel_token
            row = torch.cat(
                (
                    condition.to(self.dtype),
                    self._text(ids),
                    self.mel_embedding(mel) + self.mel_pos_embedding.first(len(mel)),
                )
            )
            rows.append(row)
            ends.append(len(row) - 2)  # the rows of the last code and of STOP predict nothing
        hidden = self.final_norm(self.gpt(pad_sequence(rows, batch_first=True)))
        return [
            hidden[i, end - len(sequence) : end].float()
            for i, (end, sequence) in enumerate(zip(ends, codes, strict=True))
        ]
