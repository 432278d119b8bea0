"""Which decoder runs: our own, or DeepSpeed's where it proves to be right."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from indextts.errors import IndexTTSError
from indextts.sampling import SamplingOptions
from indextts.stages.decoding.batch import DecodeBatch
from indextts.stages.decoding.cuda_graph import GraphedSession
from indextts.stages.decoding.generate import Generated, generate
from indextts.stages.decoding.session import NativeSession, SessionFactory
from indextts.stages.decoding.transformers_session import TransformersSession, build_trunk
from indextts.stages.recorder import GraphRecorder
from indextts.stages.semantic_gpt import SemanticGPT

log = logging.getLogger(__name__)


class CodeDecoder:
    """Draws codes; leaves DeepSpeed for good after its first failure.

    Args:
        model: the GPT.
        deepspeed: "auto" uses DeepSpeed where CUDA and the package are there and its scores
            agree with ours; "off" never.
        cuda_graphs: "auto" records the steps of our own decoder on CUDA; "off" never.
    """

    def __init__(self, model: SemanticGPT, deepspeed: str, cuda_graphs: str = "auto") -> None:
        self.model = model
        self._native: SessionFactory = partial(NativeSession, model)
        self._recorder: GraphRecorder | None = None
        if model.device.type == "cuda" and cuda_graphs != "off":
            self._recorder = GraphRecorder(model.device)
            self._native = partial(GraphedSession, model, self._recorder)
        self._deepspeed: SessionFactory | None = None
        if deepspeed == "off":
            log.info("DeepSpeed is switched off; decoding with the native decoder")
            return
        try:
            self._deepspeed = open_deepspeed(model)
        except DeepSpeedUnavailableError as reason:
            log.info("DeepSpeed is not used: %s; decoding with the native decoder", reason)
        else:
            log.info("DeepSpeed kernels are in use for decoding")

    @property
    def deepspeed_enabled(self) -> bool:
        return self._deepspeed is not None

    @property
    def cuda_graphs(self) -> bool:
        """Whether our own decoder records its steps; turns False for good when that fails."""
        return self._recorder is not None and self._recorder.enabled

    def open_batch(self) -> DecodeBatch:
        """An empty batch of the decoder that is in use now."""
        factory = self._deepspeed or self._native
        return DecodeBatch(factory(), self.model.config, self.model.device)

    def has_failed(self, error: Exception) -> bool:
        """A step of a batch failed: whether another decoder stands in for it from now on."""
        if self._deepspeed is None or isinstance(error, IndexTTSError):
            return False
        log.error("DeepSpeed failed; the native decoder takes over for good", exc_info=error)
        self._deepspeed = None
        return True

    def generate(
        self,
        prefixes: Sequence[Tensor],
        limits: Sequence[int],
        options: SamplingOptions,
        make_generators: Callable[[], Sequence[torch.Generator]],
        on_step: Callable[[int], None] | None = None,
    ) -> list[Generated]:
        """See :func:`indextts.stages.decoding.generate.generate`.

        `make_generators` is called anew for each attempt, so that a repeat draws the same.
        """
        accelerated = self._deepspeed
        if accelerated is not None:
            try:
                return self._run(accelerated, prefixes, limits, options, make_generators, on_step)
            except Exception as error:
                # Cancelled, out of time: not DeepSpeed's doing.
                if not self.has_failed(error):
                    raise
        return self._run(self._native, prefixes, limits, options, make_generators, on_step)

    def _run(
        self,
        factory: SessionFactory,
        prefixes: Sequence[Tensor],
        limits: Sequence[int],
        options: SamplingOptions,
        make_generators: Callable[[], Sequence[torch.Generator]],
        on_step: Callable[[int], None] | None,
    ) -> list[Generated]:
        generators = make_generators()
        return generate(factory, self.model.config, prefixes, limits, options, generators, on_step)


class DeepSpeedUnavailableError(Exception):
    """Why DeepSpeed is not used."""


def open_deepspeed(model: SemanticGPT) -> SessionFactory:
    """Sessions on DeepSpeed's kernels.

    Raises:
        DeepSpeedUnavailableError: no CUDA, no package, no block replaced, or other scores
            than ours.
    """
    if model.device.type != "cuda":
        raise DeepSpeedUnavailableError("there is no CUDA device")
    if importlib.util.find_spec("deepspeed") is None:
        raise DeepSpeedUnavailableError(
            "the package is not installed (pip install 'indextts-service[deepspeed]')"
        )
    try:
        trunk = _inject(build_trunk(model), model.dtype)
        factory: SessionFactory = partial(TransformersSession, trunk, model)
        check_agreement(model, factory)
    except DeepSpeedUnavailableError:
        raise
    except Exception as error:
        log.debug("DeepSpeed could not be set up", exc_info=True)
        raise DeepSpeedUnavailableError(f"{type(error).__name__}: {error}") from error
    return factory


def _inject(trunk: Any, dtype: torch.dtype) -> Any:
    import deepspeed

    engine = deepspeed.init_inference(
        model=trunk,
        dtype=dtype,
        replace_with_kernel_inject=True,
        max_out_tokens=trunk.config.n_positions,
    )
    replaced = [b for b in engine.module.h if type(b).__module__.startswith("deepspeed")]
    if len(replaced) != len(engine.module.h):
        raise DeepSpeedUnavailableError(
            f"it replaced {len(replaced)} of {len(engine.module.h)} blocks"
        )
    return engine.module


@torch.inference_mode()
def check_agreement(model: SemanticGPT, factory: SessionFactory) -> None:
    """Compare a session of `factory` with ours: two sequences, two beams, a change of beams.

    Raises:
        DeepSpeedUnavailableError: the scores differ by more than rounding explains.
    """
    random = torch.Generator().manual_seed(0)
    width = model.config.model_dim
    scale = model.mel_embedding.weight.float().std().item()
    prefixes = [
        (torch.randn(length, width, generator=random) * scale).to(model.device, model.dtype)
        for length in (48, 40)
    ]
    ours, theirs = NativeSession(model, prefixes, 2), factory(prefixes, 2)
    parents = torch.tensor([1, 0, 2, 2], device=model.device)
    tolerance = 1e-3 if model.dtype == torch.float32 else 5e-2
    for position in range(5):
        tokens = torch.randint(0, model.config.start_mel_token, (4,), generator=random)
        tokens = tokens.to(model.device)
        order = parents if position == 3 else None
        expected = ours.step(tokens, order, position)
        difference = (theirs.step(tokens, order, position) - expected).abs().max().item()
        if not difference <= tolerance * max(expected.std().item(), 1e-6):
            raise DeepSpeedUnavailableError(
                f"its scores differ from ours by {difference:.3g} in step {position}"
            )
