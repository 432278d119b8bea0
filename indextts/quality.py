"""The two classes in which a text can be spoken, and what the fast one saves.

"exact" computes what the checkpoint was made for: its beams, its diffusion steps, the whole clip,
in float32 on a CPU.  "fast" leaves out what is hard to hear; its page under ``docs`` has what each
of its savings gains and costs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from indextts.errors import ConfigError
from indextts.options import NUM_BEAMS
from indextts.sampling import SamplingOptions

Quality = Literal["exact", "fast"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)

Weights = Literal["auto", "fp32", "bf16", "int8"]
"""What large matrices are multiplied in; "auto" is bf16 where a processor has instructions for it,
else int8 where it has instructions for that."""
WEIGHTS: tuple[Weights, ...] = get_args(Weights)

MOST_STEPS = 100
LEAST_PROMPT_SECONDS, MOST_PROMPT_SECONDS = 1.0, 15.0


def check_quality(name: str) -> Quality:
    """Raises ConfigError for a name that is no class."""
    for quality in QUALITIES:
        if name == quality:
            return quality
    raise ConfigError(f"quality: {name!r} is none of {', '.join(QUALITIES)}")


@dataclass(frozen=True)
class FastClass:
    """What the fast class saves.  None saves nothing, and no number ever asks for more than the
    checkpoint itself does.

    Attributes:
        weights: see :data:`Weights`.
        diffusion_steps: Euler steps from noise to mel at most.  By default as many as move the mel
            no further than 20 do.
        prompt_seconds: of the speaker's clip, how much the acoustic model reads beside the
            speech at most; the voice itself is always taken from the whole clip.
        num_beams: of the search for codes at most, where a request does not say.

    Raises:
        ConfigError: a value is out of range.
    """

    weights: Weights = "auto"
    diffusion_steps: int | None = 15
    prompt_seconds: float | None = None
    num_beams: int | None = None

    def __post_init__(self) -> None:
        _check(self.weights in WEIGHTS, f"weights must be one of {', '.join(WEIGHTS)}")
        steps, seconds, beams = self.diffusion_steps, self.prompt_seconds, self.num_beams
        _check(
            steps is None or 1 <= steps <= MOST_STEPS, f"diffusion_steps must be 1 to {MOST_STEPS}"
        )
        _check(
            seconds is None or LEAST_PROMPT_SECONDS <= seconds <= MOST_PROMPT_SECONDS,
            f"prompt_seconds must be {LEAST_PROMPT_SECONDS:g} to {MOST_PROMPT_SECONDS:g}",
        )
        _check(
            beams is None or NUM_BEAMS.minimum <= beams <= NUM_BEAMS.maximum,
            f"num_beams must be {NUM_BEAMS.bounds}",
        )

    def steps(self, configured: int) -> int:
        """Diffusion steps of a checkpoint that is made for `configured` ones."""
        return configured if self.diffusion_steps is None else min(configured, self.diffusion_steps)

    def sampling(self, own: SamplingOptions) -> SamplingOptions:
        """How codes are drawn where a request does not say; `own` is the checkpoint's way."""
        if self.num_beams is None or self.num_beams >= own.num_beams:
            return own
        return replace(own, num_beams=self.num_beams)

    def sentence(self, weights: str, configured_steps: int, own: SamplingOptions) -> str:
        """The class in a few words, for people.

        Args:
            weights: what the large matrices are multiplied in, in words.
            configured_steps, own: of the checkpoint.
        """
        steps, beams = self.steps(configured_steps), self.sampling(own).num_beams
        parts = [
            weights,
            f"{steps} diffusion step{'s' if steps > 1 else ''}",
            f"{beams} beam{'s' if beams > 1 else ''}",
        ]
        if self.prompt_seconds is not None:
            parts.insert(2, f"{self.prompt_seconds:g} s of the clip")
        return ", ".join(parts)


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(f"fast class: {message}")
