"""What the official model takes of a GPU's memory, computed from its dimensions; no GPU is needed.

python -m benchmarks.gpu_check.budget     # the table of docs/gpu.md
"""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.gpu_check.shapes import Shapes, official_shapes
from indextts.layers.alias_free import AliasFreeActivation
from indextts.layers.bigvgan import BigVGAN
from indextts.layers.campplus import CAMPPlus
from indextts.layers.rep_codec import RepCodec
from indextts.layers.w2v_bert import W2VBertEncoder
from indextts.stages.acoustic import AcousticModel
from indextts.stages.conditioning import ReferenceConditioner
from indextts.stages.device import USUAL_BEAMS, USUAL_POSITIONS
from indextts.stages.flow_graph import MOST_FRAMES, MOST_RECORDINGS
from indextts.stages.semantic_gpt import SemanticGPT
from indextts.stages.vocoder import CUDA_WINDOW

MIB = 2**20
# Of the clip, at most, and of the speech behind it.
CLIP_SECONDS, SPEECH_SECONDS = 15, 18
_META = torch.device("meta")
_HALF = 2


@dataclass(frozen=True)
class Item:
    """A line of the table.

    Attributes:
        name: what takes memory.
        bytes: how much.
        reads_clips: whether that is needed for clips only, so that it may be on the CPU.
    """

    name: str
    bytes: int
    reads_clips: bool = False


def weights(shapes: Shapes) -> tuple[Item, ...]:
    """The networks, the GPT in half precision, all others in float32."""
    config = shapes.model
    with _META:
        gpt = SemanticGPT(config.gpt)
        flow, vocoder = AcousticModel(config.s2mel), BigVGAN(shapes.bigvgan)
        encoder = W2VBertEncoder(shapes.w2v_bert, config.semantic_layer)
        conditioner = ReferenceConditioner(config.gpt)
        codec, style = RepCodec(config.semantic_codec), CAMPPlus(config.s2mel.style_encoder)
    return (
        Item("GPT, fp16", _numbers(gpt) * _HALF),
        Item("flow", _numbers(flow) * 4),
        Item("vocoder", _numbers(vocoder) * 4),
        Item("speech encoder (w2v-BERT)", _numbers(encoder) * 4, reads_clips=True),
        Item("conditioner of the GPT", _numbers(conditioner) * 4, reads_clips=True),
        Item("codec", _numbers(codec) * 4, reads_clips=True),
        Item("style encoder", _numbers(style) * 4, reads_clips=True),
    )


def keys_and_values(shapes: Shapes) -> Item:
    """Of one segment, in half precision."""
    gpt = shapes.model.gpt
    count = 2 * gpt.layers * gpt.model_dim * USUAL_BEAMS * USUAL_POSITIONS
    name = f"keys and values: {USUAL_BEAMS} beams, {USUAL_POSITIONS} positions"
    return Item(name, count * _HALF)


def recordings(shapes: Shapes) -> Item:
    """Constants of the recorded steps of the flow."""
    most = MOST_RECORDINGS * MOST_FRAMES * shapes.model.s2mel.DiT.hidden_dim * 4
    return Item(f"recorded steps of the flow: {MOST_RECORDINGS} at most", most)


@torch.inference_mode()
def work(shapes: Shapes) -> tuple[Item, ...]:
    """Tensors beside the weights, in the stages that have most of them."""
    config = shapes.model
    preprocess = config.s2mel.preprocess_params
    rate = preprocess.sr / preprocess.spect_params.hop_length
    frames = round((CLIP_SECONDS + SPEECH_SECONDS) * rate)
    dit = config.s2mel.DiT
    with _META:
        estimator = AcousticModel(config.s2mel).cfm.estimator
        vocoder = BigVGAN(shapes.bigvgan)
        encoder = W2VBertEncoder(shapes.w2v_bert, config.semantic_layer)
        x = torch.empty(2, dit.in_channels, frames)
        mu = torch.empty(2, frames, dit.content_dim)
        style, time = torch.empty(2, config.s2mel.style_encoder.dim), torch.empty(1)
        mel = torch.empty(1, shapes.bigvgan.num_mels, CUDA_WINDOW)
        heard = torch.empty(1, 50 * CLIP_SECONDS, shapes.w2v_bert.feature_projection_input_dim)
        mask = torch.ones(1, 50 * CLIP_SECONDS, dtype=torch.bool)

    for module in vocoder.modules():
        if isinstance(module, AliasFreeActivation):
            module.compute_buffers(_META)

    def step() -> None:
        # Lengths on the CPU, for their values are looked at.
        context = estimator.prepare(x, torch.tensor([frames]), style, mu, rows_alone=True)
        estimator.step(x, time, context)

    return (
        Item(f"a step of the flow, {frames} frames", peak_of(step)),
        Item(
            f"a window of the vocoder, {CUDA_WINDOW} frames", peak_of(lambda: vocoder.signal(mel))
        ),
        Item(
            f"a clip of {CLIP_SECONDS} s",
            peak_of(lambda: encoder(heard, mask)),
            reads_clips=True,
        ),
    )


def peak_of(call: Callable[[], object]) -> int:
    """The most bytes of tensors made in a call on the meta device that are there at a time.

    Attention keeps no scores, as on CUDA.
    """
    with mock.patch.object(F, "scaled_dot_product_attention", _attention), _Held() as held:
        call()
    return held.most


class _Held(TorchDispatchMode):
    """Adds up the storages that operations make, and takes off those that go."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        # Views of weights and inputs are not made here.
        given = {tensor.untyped_storage()._cdata for tensor in _tensors((args, kwargs))}
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            if storage._cdata not in given | self._known:
                self._count(storage)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        self._known.add(key)
        size = storage.nbytes()
        self.now += size
        self.most = max(self.most, self.now)

        def gone() -> None:
            self._known.discard(key)
            self.now -= size

        weakref.finalize(storage, gone)


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    return torch.empty_like(q)


def _numbers(module: nn.Module) -> int:
    buffers = sum(buffer.numel() for buffer in module.buffers() if buffer.is_floating_point())
    return sum(weight.numel() for weight in module.parameters()) + buffers


@dataclass(frozen=True)
class Budget:
    """All of it.

    Attributes:
        weights: of the networks.
        rest: keys and values, recordings, work of the stages.
    """

    weights: tuple[Item, ...]
    rest: tuple[Item, ...]

    def of_weights(self, *, clips_on_cpu: bool) -> int:
        """Bytes of the weights on the GPU."""
        return _sum(self.weights, clips_on_cpu)

    def total(self, *, clips_on_cpu: bool) -> int:
        """Bytes of everything, as if the stages did not take turns: each keeps what it had."""
        return _sum((*self.weights, *self.rest), clips_on_cpu)


def _sum(items: Iterable[Item], clips_on_cpu: bool) -> int:
    return sum(one.bytes for one in items if not (clips_on_cpu and one.reads_clips))


def budget(shapes: Shapes) -> Budget:
    """Of one request."""
    return Budget(weights(shapes), (keys_and_values(shapes), recordings(shapes), *work(shapes)))


def markdown(whole: Budget) -> str:
    """The table."""
    lines = ["| MiB | `same` | `cpu` |", "| --- | --- | --- |"]

    def add(name: str, same: float, cpu: float) -> None:
        cells = (f"{math.ceil(count / MIB)}" if count else "" for count in (same, cpu))
        lines.append(f"| {name} | {' | '.join(cells)} |")

    def add_all(items: Iterable[Item]) -> None:
        for one in items:
            add(one.name, one.bytes, 0 if one.reads_clips else one.bytes)

    add_all(whole.weights)
    add("**all weights**", *(whole.of_weights(clips_on_cpu=on_cpu) for on_cpu in (False, True)))
    add_all(whole.rest)
    add("**everything**", *(whole.total(clips_on_cpu=on_cpu) for on_cpu in (False, True)))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown(budget(official_shapes())))
