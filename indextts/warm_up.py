"""What is made ready once for a process or an engine, done before the first request."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import numpy as np

from indextts.errors import IndexTTSError
from indextts.lines import Line
from indextts.quality import FastClass
from indextts.request import Control, ReferenceAudio, SynthesisRequest
from indextts.sampling import SamplingChanges
from indextts.stages.reference import ReferenceEncoder, reference_cache
from indextts.stream import Speaking

log = logging.getLogger(__name__)

# One second of a clip, and codes: enough for a recorded step on CUDA, for a sound on a CPU.
_RATE, _CODES_ON_CUDA, _CODES = 22050, 24, 4
_CACHE_BYTES = 16 * 2**20


def speak_once(line: Line, sample_rate: int) -> None:
    """Load kernels, handles and plans, and touch all weights, by speaking a little.

    On CUDA in all sizes up to that of the whole batch, so that the steps of each are recorded.

    Args:
        line: of the class that requests are expected in.
        sample_rate: of the model.
    """
    start = time.perf_counter()
    log.info("warming up")
    on_cuda = line.networks.gpt.device.type == "cuda"
    # What it hears is worth remembering no longer than this takes.
    forgetful = replace(
        line, reference=ReferenceEncoder(line.networks.reference, reference_cache(_CACHE_BYTES))
    )
    if not on_cuda:
        # The second step of a flow touches nothing that the first has not.
        forgetful = replace(forgetful, fast=replace(line.fast or FastClass(), diffusion_steps=1))
    for size in sizes(line.scheduler.policy.slots) if on_cuda else (1,):
        _speak(forgetful, size, _CODES_ON_CUDA if on_cuda else _CODES, sample_rate)
        if on_cuda:
            log.info("warming up: %d at once", size)
    log.info("warmed up in %.1f s", time.perf_counter() - start)


def sizes(slots: int) -> list[int]:
    """Powers of two up to a number of slots, and that number; the largest first: a cache that
    grows later would forget what was recorded."""
    powers = {2**power for power in range(slots.bit_length())}
    return sorted(powers | {slots}, reverse=True)


def _speak(line: Line, at_once: int, codes: int, sample_rate: int) -> None:
    noise = np.random.default_rng(0).standard_normal(_RATE)
    clip = ReferenceAudio((0.1 * noise).astype(np.float32), _RATE)
    request = SynthesisRequest(
        "Hello.", clip, seed=0, sampling=SamplingChanges(max_mel_tokens=codes)
    )
    runs = [line.run(request, Control()) for _ in range(at_once)]
    for one in [Speaking(line.scheduler, run, sample_rate) for run in runs]:
        while not one.ended:
            one.wait()
            one.take()
        # Noise and a model of another language need not make speech.
        if isinstance(one.error, IndexTTSError):
            log.info("the warm-up ended early: %s", one.error)
        elif one.error is not None:
            raise one.error
