"""What a route asks the speech service for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.runner.engine import (
    OPTIONS,
    SPEED,
    Normalization,
    Quality,
    ReferenceAudio,
    SamplingChanges,
    SynthesisRequest,
)
from app.runner.work import work_of

# A clip as it came: text (a URL, digits, a data: URI) or the bytes of an uploaded file.
ClipInput = str | bytes


@dataclass(frozen=True)
class Caller:
    """Who waits for the answer.

    Attributes:
        name: a hash of their key, or their address: whose downloads are counted together.
        gone: whether they have hung up; asked often and from several threads.
        request_id: for the log.
        more_sound: is told of the seconds of each segment, which take as long to be heard.
    """

    name: str
    gone: Callable[[], bool]
    request_id: str
    more_sound: Callable[[float], None] = lambda _: None


@dataclass(frozen=True)
class SpeechOrder:
    """One text in one voice, as a client orders it.

    Attributes:
        text: what to speak.
        speaker: the clip of the voice.
        caller: who waits.
        deadline: value of ``time.monotonic()`` at which the work is given up.
        emotion: a clip whose emotion is taken over.
        emo_vector: strengths of the emotions.
        emo_text: a text from which the emotion is read.
        use_random: with `emo_vector`, draw the examples of emotions, not the nearest ones.
        seed: repeats a result; None draws one.
        normalization: how the text is read; None is the engine's own way.
        quality: the class of quality; None is the engine's own.
        pauses: whether marks of pauses and blank lines are silence.
        options: numbers by the names of :mod:`indextts.options`; None, or no entry, leaves an
            option to its default.
    """

    text: str = field(repr=False)
    speaker: ClipInput = field(repr=False)
    caller: Caller
    deadline: float
    emotion: ClipInput | None = field(default=None, repr=False)
    emo_vector: tuple[float, ...] | None = None
    emo_text: str | None = field(default=None, repr=False)
    use_random: bool = False
    seed: int | None = None
    normalization: Normalization | None = None
    quality: Quality | None = None
    pauses: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def work(self) -> float:
        """How much it is for the engine, by a guess."""
        return work_of(self.text, self.options.get("speed") or SPEED.default)

    def request(
        self,
        speaker: ReferenceAudio,
        emotion: ReferenceAudio | None,
        max_audio_seconds: float | None = None,
    ) -> SynthesisRequest:
        """The engine's request, with the clips decoded; raises RequestError."""
        given = {name: value for name, value in self.options.items() if value is not None}
        of_decoder = {option.name for option in OPTIONS if option.of_decoder}
        return SynthesisRequest(
            text=self.text,
            speaker=speaker,
            emotion=emotion,
            emo_vector=self.emo_vector,
            emo_text=self.emo_text,
            use_random=self.use_random,
            seed=self.seed,
            normalization=self.normalization,
            quality=self.quality,
            pauses=self.pauses,
            max_audio_seconds=max_audio_seconds,
            sampling=SamplingChanges(**{n: v for n, v in given.items() if n in of_decoder}),
            **{n: v for n, v in given.items() if n not in of_decoder},
        )
