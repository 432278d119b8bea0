"""The body of ``POST /v1/audio/speech``: OpenAI's fields, vLLM-Omni's, and our options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from marshmallow import (
    EXCLUDE,
    Schema,
    ValidationError,
    fields,
    pre_load,
    validate,
    validates_schema,
)

from app.routes.schemas import (
    EMO_VECTOR_HELP,
    QUALITY_HELP,
    Fields,
    Number,
    ShortList,
    TextLength,
    Whole,
    option_field,
)
from app.runner.engine import (
    EMOTIONS,
    MAX_MEL_TOKENS,
    MAX_SEED,
    NORMALIZATIONS,
    OPTIONS,
    QUALITIES,
    SPEED,
)
from app.speech.stream_encode import FILE_RATES, StreamFormat, file_rates
from app.web.errors import ApiError

RESPONSE_FORMATS: tuple[StreamFormat, ...] = ("mp3", "opus", "aac", "flac", "wav", "pcm")
# What OpenAI's documents allow; what is spoken is the part of it that the model does well.
MIN_SPEED, MAX_SPEED = 0.25, 4.0
MAX_NAME = 256
# Other names of our fields.
_ALIASES = {"speaker": "voice", "max_new_tokens": MAX_MEL_TOKENS.name}
_OWN = {SPEED.name, MAX_MEL_TOKENS.name}


class InputLength(TextLength):
    """Length of the text; OpenAI's clients know a code for one that is too long."""

    def __call__(self, value: Any) -> Any:
        if isinstance(self.max, int) and len(value) > self.max:
            told = f"The text has {len(value)} characters; at most {self.max} are spoken at once."
            raise ApiError(
                400,
                "string_above_max_length",
                "Invalid input",
                errors={"input": [told]},
                reason="validation",
            )
        return super().__call__(value)


class VoiceName(fields.Field[str]):
    """A name, or ``{"id": name}``."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if isinstance(value, Mapping):
            value = value.get("id")
        if not isinstance(value, str) or not value.strip():
            raise ValidationError('Give a name, or {"id": name}.')
        if len(value) > MAX_NAME:
            raise ValidationError(f"Longer than {MAX_NAME} characters.")
        return value.strip()


class Codes(Whole):
    """A number of codes; more than there may be counts as the most."""

    def _validated(self, value: Any) -> int:
        return min(super()._validated(value), int(MAX_MEL_TOKENS.maximum))


def _clip(meaning: str) -> fields.Str:
    return fields.Str(
        load_default=None,
        metadata={"description": f"{meaning} A URL, a base64 `data:` URI, or hexadecimal digits."},
    )


def _flag(meaning: str) -> fields.Bool:
    return fields.Bool(load_default=None, metadata={"description": meaning})


def _options() -> Fields:
    """Our options, without a default: whether a field was given decides about some of them."""
    made: Fields = {}
    for option in OPTIONS:
        if option.name not in _OWN:
            field = made[option.name] = option_field(option)
            field.load_default, field.allow_none = None, True
    return made


class SpeechBody(Schema):
    """Body of ``POST /v1/audio/speech``.

    What is null or an empty text counts as not given, unknown fields are ignored, and fields may
    stand in `extra_params` as well; those outside it win.

    Args:
        max_text_chars: longest input, emotion text and instructions.
    """

    class Meta:
        unknown = EXCLUDE
        include: ClassVar[Fields] = _options()

    model = fields.Str(
        load_default=None,
        validate=validate.Length(max=MAX_NAME),
        metadata={
            "description": "Any name: the loaded model speaks.",
            "examples": ["tts-1"],
        },
    )
    input = fields.Str(required=True, metadata={"description": "What to speak."})
    voice = VoiceName(
        load_default=None,
        metadata={
            "description": "A stored voice or one of OpenAI's names; without it the default one. "
            "`speaker` is another name of this field.",
            "oneOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"id": {"type": "string"}},
                    "required": ["id"],
                },
                {"type": "null"},
            ],
        },
    )
    ref_audio = _clip("A voice of your own, in place of `voice`.")
    response_format = fields.Str(
        load_default="mp3",
        validate=validate.OneOf(RESPONSE_FORMATS),
        metadata={"description": "Form of the audio. `pcm`: 24 kHz, signed 16 bit, mono."},
    )
    speed = Number(
        load_default=None,
        allow_nan=False,
        validate=validate.Range(MIN_SPEED, MAX_SPEED),
        metadata={
            "description": f"How fast it is spoken; what is beyond {SPEED.minimum:g} to "
            f"{SPEED.maximum:g} counts as the nearest of both. The header X-Speed says what was "
            "taken."
        },
    )
    instructions = fields.Str(
        load_default=None,
        metadata={
            "description": "A text from which the emotion is read; ignored, with a header "
            "X-Warning, where the server has no model for that."
        },
    )
    stream_format = fields.Str(
        load_default=None,
        validate=validate.OneOf(("audio", "sse")),
        metadata={
            "description": "`audio`: bytes as they are made; `sse`: server-sent events. Without "
            "it mp3, opus, aac and pcm are sent as they are made, wav and flac whole."
        },
    )
    stream = _flag("true without `stream_format`: server-sent events; false: the whole file.")
    sample_rate = Whole(
        load_default=None,
        validate=validate.Range(*FILE_RATES),
        metadata={"description": "Of the audio, in Hz, where the format has it."},
    )
    seed = Whole(
        load_default=None,
        validate=validate.Range(0, MAX_SEED),
        metadata={"description": "Repeats a result."},
    )
    emo_audio = _clip("A clip whose emotion is taken over.")
    emo_vector = ShortList(
        Number(allow_nan=False, validate=validate.Range(0, 1.2)),
        load_default=None,
        validate=validate.Length(equal=len(EMOTIONS)),
        metadata={"description": EMO_VECTOR_HELP},
    )
    emo_text = fields.Str(
        load_default=None,
        metadata={"description": "A text from which the emotion is read (needs the Qwen model)."},
    )
    use_emo_text = _flag(
        "true without `emo_text`: the emotion is read from the input; false: `emo_text` is ignored."
    )
    use_random = _flag("With `emo_vector`: draw the examples of emotions, not the nearest ones.")
    max_mel_tokens = Codes(
        load_default=None,
        validate=validate.Range(min=int(MAX_MEL_TOKENS.minimum)),
        metadata={
            "description": f"{MAX_MEL_TOKENS.meaning} `max_new_tokens` is another name of it."
        },
    )
    normalization = fields.Str(
        load_default=None,
        validate=validate.OneOf(NORMALIZATIONS),
        metadata={"description": "How the text is read, as in /tts."},
    )
    quality = fields.Str(
        load_default=None,
        validate=validate.OneOf(QUALITIES),
        metadata={"description": QUALITY_HELP},
    )
    pauses = _flag("false: marks of pauses in the input are text like any other.")
    ref_text = fields.Raw(metadata={"description": "Not needed, and ignored; so is `language`."})
    extra_params = fields.Dict(
        metadata={"description": "Any of these fields, for clients that know this place only."}
    )

    def __init__(self, max_text_chars: int) -> None:
        super().__init__()
        self.max_text_chars = max_text_chars
        self.fields["input"].validators = [InputLength(min=1, max=max_text_chars)]
        for name in ("emo_text", "instructions"):
            self.fields[name].validators = [TextLength(min=1, max=max_text_chars)]

    @pre_load
    def flatten(self, data: Any, **_: Any) -> Any:
        """One level, our names, and only what was given."""
        if not isinstance(data, dict):
            return data
        extra = data.get("extra_params") or {}
        if not isinstance(extra, dict):
            raise ValidationError("Not a valid object.", "extra_params")
        given = _renamed(extra) | _renamed(data)
        if isinstance(data.get("input"), str):
            given["input"] = data["input"]  # even an empty one, which has an error of its own
        return {name: value for name, value in given.items() if name != "extra_params"}

    @validates_schema(skip_on_field_errors=True)
    def one_emotion(self, data: dict[str, Any], **_: Any) -> None:
        """Raises ValidationError when the emotion comes from two places."""
        from_text = data["use_emo_text"] is not False and (data["use_emo_text"] or data["emo_text"])
        places = {
            "emo_audio": data["emo_audio"] is not None,
            "emo_vector": data["emo_vector"] is not None,
            "emo_text": bool(from_text),
        }
        given = [name for name, there in places.items() if there]
        if len(given) > 1:
            raise ValidationError("Give only one of emo_audio, emo_vector and emo_text.", given[1])

    @validates_schema(skip_on_field_errors=True)
    def known_rate(self, data: dict[str, Any], **_: Any) -> None:
        """Raises ValidationError when the format has no such rate."""
        format = cast(StreamFormat, data["response_format"])
        rates = file_rates(format)
        if data["sample_rate"] is not None and rates is not None:
            told = f"{format} has these rates, in Hz: {', '.join(map(str, rates))}."
            if data["sample_rate"] not in rates:
                raise ValidationError(told, "sample_rate")


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    """What is given, under our names; a field's own name wins over an alias."""
    given = {name: value for name, value in values.items() if not _left_empty(value)}
    for alias, name in _ALIASES.items():
        if alias in given:
            given.setdefault(name, given[alias])
    return given


def _left_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
