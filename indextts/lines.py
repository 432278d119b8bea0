"""A line is what the requests of one class of quality share: networks, clips, decoder, scheduler.

Requests of different classes share no step of the model, so each class has a line of its own.
One is there from the start, the other is built when it is first asked for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from indextts.errors import QualityUnavailableError
from indextts.layers.reduced import Reduced
from indextts.policy import SchedulerPolicy
from indextts.quality import FastClass, Quality
from indextts.request import Control, SynthesisRequest
from indextts.scheduler import Scheduler
from indextts.stages.decoding.decoder import CodeDecoder
from indextts.stages.device import ChosenWeights, MaxBatch, choose_slots, tf32_products
from indextts.stages.flow_graph import FlowGroups
from indextts.stages.networks import Networks, gains_reduced
from indextts.stages.reference import ReferenceEncoder, reference_cache
from indextts.stages.synthesis import SynthesisRun
from indextts.utils.device_errors import poisons_device, release_memory
from indextts.utils.lru import CacheStats
from indextts.utils.turns import Turns
from indextts.work_stats import WorkStats

log = logging.getLogger(__name__)

LoadNetworks = Callable[[Reduced | None, Networks | None], Networks]
"""Loads networks with large matrices in a reduced format or as they are; those of the other class,
where they are there, lend what is equal."""


@dataclass(frozen=True)
class LineOptions:
    """How lines are built; see :class:`indextts.infer_v2.IndexTTS2`."""

    deepspeed: str
    cuda_graphs: str
    cache_bytes: int
    max_batch: MaxBatch


@dataclass(frozen=True, eq=False)
class Line:
    """See the module.

    Attributes:
        fast: what it saves; None: nothing, it is exact.
    """

    networks: Networks
    reference: ReferenceEncoder
    decoder: CodeDecoder
    flows: FlowGroups
    scheduler: Scheduler
    fast: FastClass | None

    def run(self, request: SynthesisRequest, control: Control) -> SynthesisRun:
        """A request's state, not submitted yet; raises RequestError for its sampling options."""
        return SynthesisRun(request, control, self.networks, self.reference, self.fast)


class Lines:
    """The lines of an engine; threads may share it.

    Args:
        load: the networks.
        default: the class that is built at once.
        fast: what "fast" saves.
        weights: those of "fast", where the networks gain by them.
        options: of all lines.

    Attributes:
        default: its line.
        weights: those of "fast".
    """

    def __init__(
        self,
        load: LoadNetworks,
        default: Quality,
        fast: FastClass,
        weights: ChosenWeights,
        options: LineOptions,
    ) -> None:
        self.weights = weights
        self._load, self._fast, self._options = load, fast, options
        self._cache = reference_cache(options.cache_bytes)
        self._turns = Turns()
        self._building = threading.Lock()
        self._lines: dict[Quality, Line] = {}
        self.default = self._build(default, None, options.deepspeed)
        reduced = weights.reduced
        if reduced is not None and not gains_reduced(self.default.networks, reduced):
            # Both classes share the networks then.
            self.weights = ChosenWeights("fp32", "this model's matrices are too small to gain")
        if self.weights.notice:
            log.info("the class fast keeps its weights in fp32: %s", self.weights.notice)

    def get(self, quality: Quality) -> Line:
        """The line of a class, which is built now if it is not there yet.

        Raises:
            QualityUnavailableError: that failed.
        """
        if (line := self._lines.get(quality)) is not None:
            return line
        with self._building:
            # Another thread may have built it meanwhile.
            if (line := self._lines.get(quality)) is not None:
                return line
            failure: Exception
            try:
                # DeepSpeed's kernels hold one sequence in a process.
                return self._build(quality, self.default.networks, "off")
            except Exception as error:
                if poisons_device(error):
                    raise
                failure = error
            # Behind the handler: inside it, the error would keep the tensors alive.
            release_memory(failure)
            log.error("The class %s could not be made ready", quality, exc_info=failure)
            raise QualityUnavailableError(
                f"quality {quality!r} could not be made ready: {failure}; requests of the other "
                "class are served"
            ) from failure

    def work(self) -> bool:
        """One round of every line; False where there was nothing to do."""
        busy = any(line.scheduler.busy for line in self._built())
        self._turns.work()
        return busy

    def stats(self) -> WorkStats:
        """Of all lines together."""
        return sum((line.scheduler.stats() for line in self._built()), WorkStats())

    def cache_stats(self) -> CacheStats:
        """Of the cache of reference clips, which all lines share."""
        return self._cache.stats()

    def forget_clips(self) -> None:
        """Empty that cache."""
        self._cache.clear()

    def _built(self) -> tuple[Line, ...]:
        return tuple(self._lines.values())

    def _build(self, quality: Quality, beside: Networks | None, deepspeed: str) -> Line:
        start = time.perf_counter()
        fast = self._fast if quality == "fast" else None
        reduced = None if fast is None else self.weights.reduced
        if beside is not None and self.weights.reduced is None:
            networks = beside
        else:
            networks = self._load(reduced, beside)
        slots = choose_slots(self._options.max_batch, networks.gpt)
        if slots > 1 and deepspeed != "off":
            log.info("DeepSpeed holds one segment at a time: it is left for max_batch=1")
            deepspeed = "off"
        decoder = CodeDecoder(networks.gpt, deepspeed, self._options.cuda_graphs)
        flows = FlowGroups(networks.reference.acoustic, self._options.cuda_graphs)
        scheduler = Scheduler(
            decoder,
            flows,
            SchedulerPolicy.of(networks.gpt, slots),
            self._cache.clear,
            tf32_products if fast is not None and self.weights.format == "tf32" else nullcontext,
            self._turns,
        )
        seconds = None if fast is None else fast.prompt_seconds
        reference = ReferenceEncoder(networks.reference, self._cache, quality, seconds)
        line = self._lines[quality] = Line(networks, reference, decoder, flows, scheduler, fast)
        if beside is not None:
            log.info("quality %s made ready in %.1f s", quality, time.perf_counter() - start)
        return line
