"""How codes are drawn: the options, and what a caller changes of them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

from indextts.errors import RequestError


@dataclass(frozen=True)
class SamplingOptions:
    """How codes are drawn; these defaults are the official ones (gpt.md 4)."""

    do_sample: bool = True
    num_beams: int = 3
    temperature: float = 0.8
    top_p: float = 0.8
    top_k: int = 30
    repetition_penalty: float = 10.0
    length_penalty: float = 0.0
    max_mel_tokens: int = 1500

    def __post_init__(self) -> None:
        check(1 <= self.num_beams <= 16, "num_beams must be 1 to 16")
        check(0 < self.temperature < math.inf, "temperature must be above 0")
        check(0 < self.top_p <= 1, "top_p must be above 0 and at most 1")
        check(self.top_k >= 0, "top_k must not be negative (0 switches it off)")
        check(0 < self.repetition_penalty < math.inf, "repetition_penalty must be above 0")
        check(math.isfinite(self.length_penalty), "length_penalty must be finite")
        check(self.max_mel_tokens >= 1, "max_mel_tokens must be at least 1")

    def over(self, defaults: SamplingOptions) -> SamplingOptions:
        """Complete as it is; see :meth:`SamplingChanges.over`."""
        return self


@dataclass(frozen=True)
class SamplingChanges:
    """The options that a caller sets; None leaves an option to the model's own default."""

    do_sample: bool | None = None
    num_beams: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    length_penalty: float | None = None
    max_mel_tokens: int | None = None

    def over(self, defaults: SamplingOptions) -> SamplingOptions:
        """The defaults with these changes; raises RequestError for a value out of range."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(defaults, **given)


def check(condition: bool, message: str) -> None:
    """Raises RequestError with the message where the condition does not hold."""
    if not condition:
        raise RequestError(message)
