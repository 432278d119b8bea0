"""The decoding step as a CUDA graph: one launch instead of some five hundred.

A step of the block stack is bound by the launching of its kernels, not by their work.
The step is therefore recorded once per cache size and replayed.  What it reads and
writes lies at fixed places: tokens, parents and position go in, scores come out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from indextts.layers.kv_cache import GeneratedCache, PrefixCache
from indextts.stages.decoding.session import NativeSession, decode_step
from indextts.stages.semantic_gpt import SemanticGPT

log = logging.getLogger(__name__)

# Recording costs about as much as this many steps; shorter decodes are not worth it.
_WORTH_RECORDING = 24
_FIRST_WINDOW = 128
_WINDOW_STEP = 256


class StaticStep:
    """A step whose inputs and outputs stay where they are.

    Args:
        model, prefix, cache: of the session.
        rows: sequences times beams.
        reorders: rows may change places; with a single beam they never do, and the step is
            spared a copy of the whole cache.
    """

    def __init__(
        self,
        model: SemanticGPT,
        prefix: PrefixCache,
        cache: GeneratedCache,
        rows: int,
        *,
        reorders: bool,
    ) -> None:
        device = model.device
        self._reorders = reorders
        self._model, self._prefix, self._cache = model, prefix, cache
        self._identity = torch.arange(rows, device=device)
        self.tokens = torch.zeros(rows, dtype=torch.int64, device=device)
        self.parents = self._identity.clone()
        self.position = torch.zeros((), dtype=torch.int64, device=device)
        self.logits = torch.zeros(rows, model.config.number_mel_codes, device=device)

    def load(self, tokens: Tensor, parents: Tensor | None, position: int) -> None:
        """Put the inputs of a step into their places."""
        self.tokens.copy_(tokens)
        self.parents.copy_(self._identity if parents is None else parents)
        self.position.fill_(position)

    def run(self) -> None:
        """The step itself; also what is recorded."""
        if self._reorders:
            # The whole window: how much of it is in use is not known in a recording.
            self._cache.reorder(self.parents, self._cache.window)
        self.logits.copy_(
            decode_step(self._model, self._prefix, self._cache, self.tokens, self.position)
        )


class GraphSwitch:
    """Whether graphs are still trusted; shared by the sessions of one decoder."""

    def __init__(self) -> None:
        self.enabled = True
        # Recording is not to be disturbed by another thread's allocations.
        self.lock = threading.Lock()

    def turn_off(self, reason: str) -> None:
        log.warning("CUDA graphs are not used any more: %s", reason)
        self.enabled = False


class GraphedSession(NativeSession):
    """Our decoder with recorded steps; without them wherever recording fails."""

    first_window = _FIRST_WINDOW
    window_step = _WINDOW_STEP

    def __init__(
        self, model: SemanticGPT, switch: GraphSwitch, prefixes: Sequence[Tensor], beams: int
    ) -> None:
        super().__init__(model, prefixes, beams)
        self._switch = switch
        self._rows = len(prefixes) * beams
        self._reorders = beams > 1
        self._static: StaticStep | None = None
        self._graph: torch.cuda.CUDAGraph | None = None

    def step(self, tokens: Tensor, parents: Tensor | None, position: int) -> Tensor:
        if not self._switch.enabled or position < _WORTH_RECORDING:
            return super().step(tokens, parents, position)
        if self._make_room(position) or self._static is None:
            self._graph = None
            self._static = StaticStep(
                self._model, self._prefix, self._cache, self._rows, reorders=self._reorders
            )
        static = self._static
        static.load(tokens, parents if position > 0 else None, position)
        if self._graph is not None:
            self._graph.replay()
            return static.logits.clone()
        static.run()
        expected = static.logits.clone()
        self._graph = self._record(static, expected)
        return expected

    def _record(self, static: StaticStep, expected: Tensor) -> torch.cuda.CUDAGraph | None:
        """Record the step just run, and see whether a replay gives the same scores."""
        graph = torch.cuda.CUDAGraph()
        try:
            with self._switch.lock:
                torch.cuda.synchronize()
                with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                    static.run()
            # Repeating a step without a change of places writes the same keys and values.
            static.load(static.tokens, None, int(static.position))
            graph.replay()
        except RuntimeError as error:
            self._switch.turn_off(f"a step could not be recorded ({error})")
            return None
        if not torch.allclose(static.logits, expected, rtol=1e-2, atol=1e-2):
            self._switch.turn_off("a replayed step gave other scores")
            return None
        return graph
