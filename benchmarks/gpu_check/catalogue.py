"""The parts in the order in which they run: what is likeliest to fail first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One process.

    Attributes:
        name: as in ``--only``.
        group: environment, right, fast, memory, deepspeed or tests; ``--only`` takes it, too.
        summary: for ``--list``.
        seconds: bound; the part is killed then.
        needs: packages without which it is skipped.
    """

    name: str
    group: str
    summary: str
    seconds: float
    needs: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return f"benchmarks.gpu_check.parts.{self.name}"


PARTS = (
    Part("environment", "environment", "versions, card, driver; bandwidth and matrix products", 75),
    Part("graphs", "right", "recorded steps give the scores of free ones", 75),
    Part("flow", "right", "recorded steps of the flow, fused activations, beside plain ones", 60),
    Part("engine", "right", "a tiny model from files: codes of the CPU, seeds, non-finite", 75),
    Part("loop", "right", "the decoding loop never waits for the device", 45),
    Part("stages", "right", "each stage beside the CPU: fp32, TF32, fp16, bf16", 90),
    Part("robust", "right", "three threads at once; a recording that fails", 75),
    Part("steps", "fast", "time, launches and floor of a GPT, DiT and vocoder call", 90),
    Part("speed", "fast", "load, first request, RTF by stage and text", 120),
    Part("batch", "fast", "audio seconds a second for 1 to 16 segments together", 75),
    Part("slots", "memory", "step time and memory of 1 to 32 slots, free and recorded", 75),
    Part("peaks", "memory", "peak of memory by stage", 60),
    Part("fallback", "memory", "out of memory: again, then the CPU, then the next request", 60),
    Part(
        "deepspeed",
        "deepspeed",
        "replaces the blocks, agrees; speed beside ours",
        60,
        ("deepspeed",),
    ),
    Part("tests", "tests", "the tests of tests/ that need CUDA", 120, ("pytest",)),
)


def choose(only: list[str]) -> tuple[Part, ...]:
    """The parts of these names or groups, in order; all for an empty list.

    Raises:
        ValueError: a name is neither.
    """
    known = {part.name for part in PARTS} | {part.group for part in PARTS}
    for name in only:
        if name not in known:
            raise ValueError(f"there is no part {name!r}; --list names them")
    if not only:
        return PARTS
    return tuple(part for part in PARTS if part.name in only or part.group in only)
