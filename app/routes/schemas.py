"""What goes into the API: the source of validation and of the documents."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from app.runner.engine import (
    EMOTIONS,
    MAX_SEED,
    NORMALIZATIONS,
    OPTIONS,
    QUALITIES,
    QUICK_TOKENS,
    STREAM_QUICK_TOKENS,
    Option,
)
from indextts.subtitles import SUBTITLE_FORMATS

FORMATS = ("wav", "flac", "mp3", "ogg", "opus")
STREAM_FORMATS = ("wav", "pcm", "mp3", "ogg", "opus", "flac")
QUALITY_HELP = (
    "exact follows the original; fast leaves out what is hard to hear, as the server is set. "
    "Without it the server's own class holds."
)
EMO_VECTOR_HELP = (
    f"Strengths of: {', '.join(EMOTIONS)}. They are used as they are: their sum, times emo_alpha, "
    "should be 0.8 or less. Above 1 the voice's own emotion is subtracted, and the answer warns."
)
Fields = dict[str, fields.Field[Any]]
_AUDIO_HELP = (
    "An http, https or ftp URL; the bytes of an audio file as hexadecimal digits (even number, "
    "more than 100); a base64 `data:` URI; or `voice:NAME` for a stored voice. In "
    "multipart/form-data also a file."
)


class Number(fields.Float):
    """A JSON number; text that looks like one is refused, as are NaN and infinity."""

    def _validated(self, value: Any) -> float:
        if isinstance(value, str):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Whole(fields.Integer):
    """A JSON integer; text and booleans are refused."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON knows no difference between 3 and 3.0
        if not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Flag(fields.Boolean):
    """A JSON boolean; text and numbers are refused."""

    def _deserialize(self, value: Any, *args: Any, **more: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *args, **more)


class ShortList(fields.List[Any]):
    """A list whose length is judged before its elements, each of which could be an error."""

    def _deserialize(self, value: Any, *args: Any, **more: Any) -> list[Any]:
        if isinstance(value, list):
            for validator in self.validators:
                validator(value)
        return super()._deserialize(value, *args, **more)


class TextLength(validate.Length):
    """Length in characters, and no lone surrogates, which no encoding can carry."""

    def __call__(self, value: Any) -> Any:
        super().__call__(value)
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise ValidationError("The text holds a lone surrogate.") from None
        return value


def option_field(option: Option[Any]) -> fields.Field[Any]:
    """The field of an option; an option of the decoder has no default here: the model has it."""
    kind = Whole if option.whole else Number
    more: dict[str, Any] = {} if option.whole else {"allow_nan": False}
    meaning = f"{option.meaning} In {option.unit}." if option.unit else option.meaning
    metadata: dict[str, Any] = {"description": meaning}
    if option.of_decoder:
        metadata["description"] += (
            f" Without it the model's own default holds, officially {option.default:g}."
        )
        more |= {"load_default": None, "allow_none": True}
    else:
        more |= {"load_default": option.default}
    if option.above:
        # apispec knows only inclusive bounds.
        metadata["exclusiveMinimum"] = option.minimum
    return kind(
        validate=validate.Range(option.minimum, option.maximum, min_inclusive=not option.above),
        metadata=metadata,
        **more,
    )


class SpeechRequest(Schema):
    """What the bodies of ``/tts`` and ``/tts/stream`` have in common.

    Args:
        max_text_chars: longest text and emotion text.
    """

    class Meta:
        unknown = RAISE
        include: ClassVar[Fields] = {option.name: option_field(option) for option in OPTIONS}

    text = fields.Str(required=True, metadata={"description": "What to speak."})
    spk_audio = fields.Str(
        required=True, metadata={"description": f"The voice. {_AUDIO_HELP}", "minLength": 1}
    )
    emo_audio = fields.Str(
        load_default=None,
        allow_none=True,
        metadata={"description": f"A clip whose emotion is taken over. {_AUDIO_HELP}"},
    )
    emo_vector = ShortList(
        Number(allow_nan=False, validate=validate.Range(0, 1.2)),
        load_default=None,
        allow_none=True,
        validate=validate.Length(equal=len(EMOTIONS)),
        metadata={"description": EMO_VECTOR_HELP},
    )
    emo_text = fields.Str(
        load_default=None,
        allow_none=True,
        metadata={"description": "A text from which the emotion is read (needs the Qwen model)."},
    )
    seed = Whole(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, MAX_SEED),
        metadata={"description": "Repeats a result; without it one is drawn and told."},
    )

    normalization = fields.Str(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(NORMALIZATIONS),
        metadata={
            "description": "How the text is read: natural, as a person reads it; reference, as the "
            "original implementation does; off, for a text that is spoken as it stands."
        },
    )

    quality = fields.Str(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(QUALITIES),
        metadata={"description": QUALITY_HELP},
    )

    pauses = Flag(
        load_default=True,
        metadata={
            "description": 'Whether [pause 500ms], <break time="0.5s"/> and blank lines in the '
            "text are silence of that length, exactly."
        },
    )

    def __init__(self, max_text_chars: int) -> None:
        super().__init__()
        self.max_text_chars = max_text_chars
        limit = TextLength(min=1, max=max_text_chars)
        # New lists: marshmallow's copies of a field share the list of the class.
        self.fields["text"].validators = [limit]
        self.fields["emo_text"].validators = [limit]

    @validates_schema(skip_on_field_errors=True)
    def one_emotion(self, data: dict[str, Any], **_: Any) -> None:
        """Raises ValidationError when the emotion comes from two places."""
        given = [n for n in ("emo_audio", "emo_vector", "emo_text") if data.get(n) is not None]
        if len(given) > 1:
            raise ValidationError("Give only one of emo_audio, emo_vector and emo_text.", given[1])


class TTSRequest(SpeechRequest):
    """Body of ``POST /tts``."""

    format = fields.Str(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(FORMATS),
        metadata={"description": "Form of the audio; wav, unless Accept names another."},
    )
    subtitles = fields.Str(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(SUBTITLE_FORMATS),
        metadata={"description": "Also answer with the segments as a subtitle file (JSON only)."},
    )


class StreamRequest(SpeechRequest):
    """Body of ``POST /tts/stream``."""

    class Meta:
        unknown = RAISE
        include: ClassVar[Fields] = {
            QUICK_TOKENS.name: option_field(
                dataclasses.replace(QUICK_TOKENS, default=STREAM_QUICK_TOKENS)
            )
        }

    format = fields.Str(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(STREAM_FORMATS),
        metadata={"description": "Form of the audio; wav, unless Accept names another."},
    )
