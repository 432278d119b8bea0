"""The requests of a load: mixed texts, voices and options, each the same in every run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indextts.request import ReferenceAudio, SynthesisRequest
from indextts.sampling import SamplingChanges

ENGLISH = (
    "The rain had stopped before the first guests came.",
    "Someone had already put the chairs back in the garden.",
    "We sat down under the trees and talked about the journey.",
    "Nobody wanted to be the first to leave.",
    "The morning train was late again, so we walked along the river.",
    "He asked whether the letter had arrived, and she shook her head.",
)
MANDARIN = (
    "明天早上我们一起去公园散步吧。",
    "今天早上的火车又晚点了，我们沿着河边走回家。",
    "他问信到了没有，她摇了摇头。",
    "大家都不想第一个离开。",
)


VOICES = Path(__file__).resolve().parents[1] / "examples" / "voices"


@dataclass(frozen=True)
class LoadRequest:
    """One request, for the engine or for the service.

    Attributes:
        number: also its seed.
        text: what to speak.
        language: "en" or "zh".
        voice: number of the clip.
        emotion: number of the clip that carries the emotion; None: the voice's own.
        stream: whether the first sound is to come soon.
        beams: None: the model's own.
        codes: bound on a segment's codes; None: the text's own.
    """

    number: int
    text: str
    language: str
    voice: int
    emotion: int | None
    stream: bool
    beams: int | None
    codes: int | None

    def for_engine(self, clips: Sequence[ReferenceAudio]) -> SynthesisRequest:
        return SynthesisRequest(
            self.text,
            clips[self.voice],
            emotion=None if self.emotion is None else clips[self.emotion],
            seed=self.number,
            quick_streaming_tokens=24 if self.stream else 0,
            sampling=SamplingChanges(num_beams=self.beams, max_mel_tokens=self.codes),
        )

    def for_service(self, clips: Sequence[str]) -> dict[str, object]:
        """The JSON body, with clips as hexadecimal digits."""
        body: dict[str, object] = {
            "text": self.text,
            "spk_audio": clips[self.voice],
            "seed": self.number,
            "format": "wav",
        }
        if self.emotion is not None:
            body["emo_audio"] = clips[self.emotion]
        if self.beams is not None:
            body["num_beams"] = self.beams
        if self.codes is not None:
            body["max_mel_tokens"] = self.codes
        return body


def shipped_voices() -> tuple[list[Path], list[int], list[int]]:
    """The clips of ``examples/voices``, and the numbers of the English and of the Mandarin ones."""
    voices = sorted(path for path in VOICES.glob("*.flac") if path.stem[:3] in ("en_", "zh_"))
    english = [i for i, path in enumerate(voices) if path.stem.startswith("en_")]
    mandarin = [i for i, path in enumerate(voices) if path.stem.startswith("zh_")]
    return voices, english, mandarin


def make_requests(
    count: int, english: Sequence[int], mandarin: Sequence[int], codes: int | None
) -> list[LoadRequest]:
    """Requests of one to three sentences.

    Half are streams, a quarter has an emotion of another clip, beams are the model's, 1 or 3.

    Args:
        count: how many.
        english, mandarin: numbers of the clips of each language.
        codes: longest segment for weights that never stop; lengths then vary below it.
    """
    dice = random.Random(1)
    made: list[LoadRequest] = []
    for number in range(count):
        language = "zh" if mandarin and number % 3 == 2 else "en"
        sentences = MANDARIN if language == "zh" else ENGLISH
        voices = mandarin if language == "zh" else english
        parts = dice.sample(sentences, dice.choice((1, 1, 2, 3)))
        made.append(
            LoadRequest(
                number=number,
                text=("" if language == "zh" else " ").join(parts),
                language=language,
                voice=dice.choice(voices),
                emotion=dice.choice(voices) if dice.random() < 0.25 else None,
                stream=dice.random() < 0.5,
                beams=dice.choice((None, None, 1, 3)),
                codes=None if codes is None else dice.randint(codes // 2, codes),
            )
        )
    return made
