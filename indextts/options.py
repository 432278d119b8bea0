"""The options of a request: name, bounds, default and meaning, each stated once.

The dataclasses of :mod:`indextts.request` and :mod:`indextts.sampling` take their defaults and
checks from here; the command line, the service's schemas and the documents are made from
:data:`OPTIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from indextts import given
from indextts.errors import RequestError

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Option(Generic[T]):
    """A number that a request may set.

    Attributes:
        name: of the field in requests, and of the command line's option.
        default: what holds where a request says nothing.  For an option of the decoder that is
            the official model's value; a checkpoint may bring another.
        minimum, maximum: bounds, both allowed unless `above`.
        meaning: one sentence for people.
        above: the minimum itself is not allowed.
        of_decoder: belongs to :class:`indextts.sampling.SamplingOptions`.
        unit: of the number, or empty.
    """

    name: str
    default: T
    minimum: T
    maximum: T
    meaning: str
    above: bool = False
    of_decoder: bool = False
    unit: str = ""

    @property
    def whole(self) -> bool:
        """Whether only integers are allowed."""
        return isinstance(self.default, int)

    @property
    def bounds(self) -> str:
        """The allowed range in words."""
        if self.above:
            return f"above {self.minimum:g} and at most {self.maximum:g}"
        return f"{self.minimum:g} to {self.maximum:g}"

    def markdown(self) -> str:
        """The option's row in a table of fields."""
        unit = f" {self.unit}" if self.unit else ""
        bounds = self.bounds[0].upper() + self.bounds[1:]
        return f"| `{self.name}` | {self.meaning} {bounds}{unit} ({self.default:g}). |"

    def number(self, value: object) -> T:
        """The value as a plain number, whatever its size; raises RequestError for anything else."""
        plain: Any
        if self.whole:
            plain = given.whole(self.name, value, f"a whole number ({self.bounds})")
        else:
            plain = given.number(self.name, value, f"a number ({self.bounds})")
        number: T = plain
        return number

    def check(self, value: object) -> T:
        """The value as a plain number; raises RequestError for what is none within the bounds."""
        number = self.number(value)
        inside = self.minimum < number if self.above else self.minimum <= number
        # Written so that NaN fails too.
        if not (inside and number <= self.maximum):
            raise RequestError(f"{self.name} must be {self.bounds}, got {given.shown(number)}")
        return number


EMO_ALPHA = Option("emo_alpha", 1.0, 0.0, 1.0, "Strength of the emotion.")
SPEED = Option(
    "speed", 1.0, 0.5, 2.0, "How fast it is spoken: 2 takes half the time; pauses stay as they are."
)
INTERVAL_SILENCE = Option("interval_silence", 200, 0, 10_000, "Pause between segments.", unit="ms")
MAX_TEXT_TOKENS = Option(
    "max_text_tokens_per_segment", 120, 4, 600, "Longest segment in text tokens."
)
QUICK_TOKENS = Option(
    "quick_streaming_tokens",
    0,
    0,
    600,
    "Keeps the first segments short until this many text tokens have gone by, and decodes them "
    "one by one, so that the first sound comes soon; 0 switches it off.",
)
# Of QUICK_TOKENS where the sound is heard while it is being made: two or three seconds of speech.
STREAM_QUICK_TOKENS = 24
# Scores are divided by it, and by the penalty: much below, they leave what float32 can hold.
_LEAST_DIVISOR = 0.01
TEMPERATURE = Option(
    "temperature", 0.8, _LEAST_DIVISOR, 10.0, "Higher is more varied.", of_decoder=True
)
TOP_P = Option(
    "top_p",
    0.8,
    0.0,
    1.0,
    "Share of the probability that codes are drawn from.",
    above=True,
    of_decoder=True,
)
TOP_K = Option(
    "top_k", 30, 0, 1000, "Number of codes that are drawn from; 0 for all.", of_decoder=True
)
NUM_BEAMS = Option("num_beams", 3, 1, 16, "Beams of the search; 1 is fastest.", of_decoder=True)
REPETITION_PENALTY = Option(
    "repetition_penalty",
    10.0,
    _LEAST_DIVISOR,
    100.0,
    "Above 1 discourages repetition.",
    of_decoder=True,
)
MAX_MEL_TOKENS = Option(
    "max_mel_tokens",
    1500,
    1,
    1815,
    "Longest segment in codes; a longer one is cut, with a warning.",
    of_decoder=True,
)

# For programs only, as in the original.  Lengths are raised to it, which float32 must hold.
LENGTH_PENALTY = Option(
    "length_penalty", 0.0, -10.0, 10.0, "Above 0 prefers long segments.", of_decoder=True
)

OPTIONS: tuple[Option[Any], ...] = (
    EMO_ALPHA,
    SPEED,
    INTERVAL_SILENCE,
    MAX_TEXT_TOKENS,
    QUICK_TOKENS,
    TEMPERATURE,
    TOP_P,
    TOP_K,
    NUM_BEAMS,
    REPETITION_PENALTY,
    MAX_MEL_TOKENS,
)
MAX_SEED = 2**63 - 1
