"""The block stack as transformers' GPT2Model: the only form that DeepSpeed can accelerate.

DeepSpeed's kernel injection recognises Hugging Face classes alone, so the stack is
built once more from them, sharing our weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from indextts.stages.decoding.session import DecodeSession
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.utils.skeleton import skeleton


def build_trunk(model: SemanticGPT) -> Any:
    """A transformers GPT2Model over the same weights as `model.gpt`."""
    from transformers import GPT2Config, GPT2Model

    c = model.config
    positions = c.condition_num_latent + 2 + c.max_text_tokens + 2 + c.max_mel_tokens + 3
    config = GPT2Config(
        vocab_size=1,
        n_positions=positions,
        n_embd=c.model_dim,
        n_layer=c.layers,
        n_head=c.heads,
        activation_function="gelu_new",
        layer_norm_epsilon=1e-5,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=True,
    )
    with skeleton():
        trunk = GPT2Model(config)
    state = dict(model.gpt.state_dict())
    # Positions come with the input: the library's own table adds nothing.
    state["wpe.weight"] = torch.zeros(
        positions, c.model_dim, dtype=model.dtype, device=model.device
    )
    state["wte.weight"] = torch.zeros(1, c.model_dim, dtype=model.dtype, device=model.device)
    trunk.load_state_dict(state, strict=True, assign=True)
    return trunk.requires_grad_(False).eval()


class TransformersSession(DecodeSession):
    """A decode by a GPT2Model (or what DeepSpeed made of it): prefixes padded on the left.

    Its cache has one length for all rows: sequences begin together, and of those that come one by
    one it holds one at a time.
    """

    capacity = 1

    def __init__(
        self, trunk: Any, model: SemanticGPT, prefixes: Sequence[Tensor] = (), beams: int = 1
    ) -> None:
        self._trunk, self._model = trunk, model
        self._past: Any = None
        self._read = 0
        if prefixes:
            self._open(prefixes, beams)

    def join(self, prefix: Tensor, beams: int) -> None:
        if self._past is not None:
            raise RuntimeError("this decoder holds one sequence at a time")
        self._open([prefix], beams)

    def keep(self, sequences: Sequence[int]) -> None:
        if sequences:
            raise RuntimeError("this decoder cannot drop some of its sequences")
        self._past = None

    def _open(self, prefixes: Sequence[Tensor], beams: int) -> None:
        model = self._model
        longest = max(len(prefix) for prefix in prefixes)
        rows = len(prefixes) * beams
        inputs = torch.zeros(
            rows, longest, model.config.model_dim, dtype=model.dtype, device=model.device
        )
        self._mask = torch.zeros(rows, longest, dtype=torch.int64, device=model.device)
        for i, prefix in enumerate(prefixes):
            own = slice(i * beams, (i + 1) * beams)
            inputs[own, longest - len(prefix) :] = prefix
            self._mask[own, longest - len(prefix) :] = 1
        self._past = self._run(inputs)[1]
        self._read = 0

    def _run(self, inputs: Tensor, past: Any = None) -> tuple[Tensor, Any]:
        output = self._trunk(
            inputs_embeds=inputs, attention_mask=self._mask, past_key_values=past, use_cache=True
        )
        return output[0], output[1]

    def step(self, tokens: Tensor, parents: Tensor | None, position: Tensor | int) -> Tensor:
        if parents is not None and self._read:
            self._past = _reordered(self._past, parents)
        self._read += 1
        index = torch.as_tensor(position, device=tokens.device)
        self._mask = torch.nn.functional.pad(self._mask, (0, 1), value=1)
        hidden, self._past = self._run(self._model.embed_step(tokens, index)[:, None], self._past)
        return self._model.logits(hidden[:, -1])


def _reordered(past: Any, parents: Tensor) -> Any:
    if hasattr(past, "reorder_cache"):
        past.reorder_cache(parents)
        return past
    return tuple(tuple(part.index_select(0, parents) for part in layer) for layer in past)
