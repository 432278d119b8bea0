"""How codes are drawn: the options, and what a caller changes of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from indextts import given, options
from indextts.errors import RequestError

_OF_DECODER = (
    *(option for option in options.OPTIONS if option.of_decoder),
    options.LENGTH_PENALTY,
)


@dataclass(frozen=True)
class SamplingOptions:
    """How codes are drawn; these defaults are the official ones (gpt.md 4)."""

    do_sample: bool = True
    num_beams: int = options.NUM_BEAMS.default
    temperature: float = options.TEMPERATURE.default
    top_p: float = options.TOP_P.default
    top_k: int = options.TOP_K.default
    repetition_penalty: float = options.REPETITION_PENALTY.default
    length_penalty: float = options.LENGTH_PENALTY.default
    max_mel_tokens: int = options.MAX_MEL_TOKENS.default

    def __post_init__(self) -> None:
        given.flag("do_sample", self.do_sample)
        for option in _OF_DECODER:
            object.__setattr__(self, option.name, option.check(getattr(self, option.name)))

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

    def __post_init__(self) -> None:
        if self.do_sample is not None:
            given.flag("do_sample", self.do_sample)
        for option in _OF_DECODER:
            value = getattr(self, option.name)
            if value is not None:
                object.__setattr__(self, option.name, option.check(value))

    def over(self, defaults: SamplingOptions) -> SamplingOptions:
        """The defaults with these changes."""
        changes = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(defaults, **changes)


def check(condition: bool, message: str) -> None:
    """Raises RequestError with the message where the condition does not hold."""
    if not condition:
        raise RequestError(message)
