"""What is spoken when speed is measured."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.gpu_check.bench import Bench, speech
from indextts.request import SynthesisRequest
from indextts.sampling import SamplingChanges

# For real weights.  All words, so that no verbaliser is needed.
SENTENCES = (
    "The morning train was late again, so we walked along the river and talked about everything "
    "that had happened since the summer.",
    "Nobody had expected the rain to stop, but by noon the clouds were gone and the whole valley "
    "lay in bright sunlight.",
    "She closed the book, looked out of the window for a while, and then asked the question that "
    "all of us had been avoiding.",
    "In the end it was the youngest of them who found the way home, following nothing but the "
    "sound of the bells.",
)
WORDS = "one two three four five six seven eight nine ten " * 8


@dataclass(frozen=True)
class Workload:
    """A text, and how many codes a segment of it gets from weights that never stop.

    Attributes:
        name: short, medium or long.
        segments: how many.
        words: of each.
        codes: of each; 50 are a second.
    """

    name: str
    segments: int
    words: int
    codes: int


def workloads(bench: Bench) -> tuple[Workload, ...]:
    """2 s, 10 s and 40 s of speech."""
    if bench.dry:
        return Workload("short", 1, 4, 8), Workload("medium", 1, 8, 16), Workload("long", 3, 8, 16)
    return (
        Workload("short", 1, 12, 100),
        Workload("medium", 1, 40, 500),
        Workload("long", 4, 40, 500),
    )


def request_of(bench: Bench, work: Workload, *, together: int = 4) -> SynthesisRequest:
    """A request for it, in a voice of 5 s.

    Args:
        bench: whose sizes.
        work: what to speak.
        together: segments decoded together.
    """
    clip = speech(bench.seed, bench.pick(5.0, 1.0))
    if bench.model_dir is not None:
        sentences = [SENTENCES[i % len(SENTENCES)] for i in range(work.segments)]
        text = "Good morning, everybody." if work.name == "short" else " ".join(sentences)
        return SynthesisRequest(
            text, clip, seed=1, segments_per_batch=together, max_text_tokens_per_segment=40
        )
    line = " ".join(WORDS.split()[: work.words])
    return SynthesisRequest(
        "\n".join([line] * work.segments),
        clip,
        seed=1,
        segments_per_batch=together,
        sampling=SamplingChanges(max_mel_tokens=work.codes),
    )
