"""What a body of ``POST /v1/audio/speech`` asks for: the order, and the form of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from app.clips.source import VOICE_SCHEME
from app.routes.problems import FieldNames
from app.runner.engine import OPTIONS, QUICK_TOKENS, SPEED, STREAM_QUICK_TOKENS
from app.speech.order import Caller, SpeechOrder
from app.speech.stream_encode import StreamFormat
from app.voices.store import DEFAULT_VOICE

# The whole file; its bytes while they are made; server-sent events.
Delivery = Literal["whole", "chunked", "events"]

PCM_RATE = 24_000
# A downloaded file should tell its length, which these have at the beginning.
_WHOLE_BY_DEFAULT = ("wav", "flac")

INSTRUCTIONS_IGNORED = "instructions ignored: this server has no model for emotion from text"
INSTRUCTIONS_OVERRULED = "instructions ignored: the emotion is given by another field"


@dataclass(frozen=True)
class AnswerForm:
    """How the speech is answered.

    Attributes:
        format: of the audio.
        rate: of the audio, in Hz; None: the model's, or the next that the codec has.
        delivery: whole, or in which pieces.
        headers: what is to be said of the fields.
    """

    format: StreamFormat
    rate: int | None
    delivery: Delivery
    headers: dict[str, str]


@dataclass(frozen=True)
class Wish:
    """What a body asks for.

    Attributes:
        order: for the speech service.
        form: of the answer.
        names: of the fields that an error may speak of.
    """

    order: SpeechOrder
    form: AnswerForm
    names: FieldNames


def wish_of(fields: dict[str, Any], caller: Caller, deadline: float, emotion_text: bool) -> Wish:
    """Read a validated body.

    Args:
        fields: as :class:`app.routes.openai.schema.SpeechBody` loads them.
        caller: who waits.
        deadline: see SpeechOrder.
        emotion_text: the model reads emotions from texts.
    """
    delivery = _delivery(fields)
    headers: dict[str, str] = {}
    options = _options(fields, headers, streams=delivery != "whole")
    emo_text, text_field = _emotion_text(fields, headers, emotion_text)
    vector = fields["emo_vector"]
    brought = fields["ref_audio"]
    order = SpeechOrder(
        text=fields["input"],
        speaker=brought or f"{VOICE_SCHEME}:{fields['voice'] or DEFAULT_VOICE}",
        caller=caller,
        deadline=deadline,
        emotion=fields["emo_audio"],
        emo_vector=None if vector is None else tuple(vector),
        emo_text=emo_text,
        use_random=bool(fields["use_random"]),
        seed=fields["seed"],
        normalization=fields["normalization"],
        quality=fields["quality"],
        pauses=fields["pauses"] is not False,
        options=options,
    )
    rate = fields["sample_rate"]
    if rate is None and fields["response_format"] == "pcm":
        rate = PCM_RATE
    names = FieldNames(
        text="input",
        speaker="ref_audio" if brought else "voice",
        emotion="emo_audio",
        emo_text=text_field,
    )
    return Wish(order, AnswerForm(fields["response_format"], rate, delivery, headers), names)


def _delivery(fields: dict[str, Any]) -> Delivery:
    match fields["stream_format"], fields["stream"]:
        case ("sse", _) | (None, True):
            return "events"
        case ("audio", _):
            return "chunked"
        case (None, False):
            return "whole"
    return "whole" if fields["response_format"] in _WHOLE_BY_DEFAULT else "chunked"


def _options(fields: dict[str, Any], headers: dict[str, str], *, streams: bool) -> dict[str, Any]:
    options = {option.name: fields[option.name] for option in OPTIONS}
    speed = options[SPEED.name]
    if speed is not None:
        options[SPEED.name] = min(max(speed, SPEED.minimum), SPEED.maximum)
        headers["X-Speed"] = f"{options[SPEED.name]:g}"
    if streams and options[QUICK_TOKENS.name] is None:
        options[QUICK_TOKENS.name] = STREAM_QUICK_TOKENS
    return options


def _emotion_text(
    fields: dict[str, Any], headers: dict[str, str], emotion_text: bool
) -> tuple[str | None, str]:
    """The text that the emotion is read from, and the field it came in."""
    asked = fields["use_emo_text"]
    text = None if asked is False else fields["emo_text"]
    if text is None and asked:
        text = fields["input"]
    instructions = fields["instructions"]
    if instructions is not None:
        if text is not None or fields["emo_vector"] is not None or fields["emo_audio"] is not None:
            headers["X-Warning"] = INSTRUCTIONS_OVERRULED
        elif not emotion_text:
            headers["X-Warning"] = INSTRUCTIONS_IGNORED
        else:
            return instructions, "instructions"
    return text, "emo_text"
