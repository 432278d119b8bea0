"""What is made ready once for a process or an engine, done before the first request."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import numpy as np

from indextts.errors import IndexTTSError
from indextts.lines import Line
from indextts.request import Control, ReferenceAudio, SynthesisRequest
from indextts.sampling import SamplingChanges
from indextts.stages.reference import ReferenceEncoder, reference_cache
from indextts.stream import SpeechStream, collect

log = logging.getLogger(__name__)

# One second of a clip, and codes: enough for a recorded step on CUDA, for a sound on a CPU.
_RATE, _CODES_ON_CUDA, _CODES = 22050, 24, 4


def speak_once(line: Line, sample_rate: int) -> None:
    """Load kernels, handles and plans, and touch all weights, by speaking a little.

    Args:
        line: of the class that requests are expected in.
        sample_rate: of the model.
    """
    start = time.perf_counter()
    log.info("warming up")
    on_cuda = line.networks.gpt.device.type == "cuda"
    codes = _CODES_ON_CUDA if on_cuda else _CODES
    noise = np.random.default_rng(0).standard_normal(_RATE)
    clip = ReferenceAudio((0.1 * noise).astype(np.float32), _RATE)
    request = SynthesisRequest(
        "Hello.", clip, seed=0, sampling=SamplingChanges(max_mel_tokens=codes)
    )
    # What it hears is not worth remembering.
    forgetful = ReferenceEncoder(line.networks.reference, reference_cache(0))
    run = replace(line, reference=forgetful).run(request, Control())
    try:
        collect(SpeechStream(line.scheduler, run, sample_rate))
    except IndexTTSError as error:
        # Noise and a model of another language need not make speech.
        log.info("the warm-up ended early: %s", error)
    log.info("warmed up in %.1f s", time.perf_counter() - start)
