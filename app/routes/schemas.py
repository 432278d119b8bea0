"""What goes into the API and what comes out: the source of validation and of the documents."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from app.runner.engine import EMOTIONS, SynthesisRequest

FORMATS = ("wav", "flac", "mp3", "ogg", "opus")
_OWN_DEFAULT = "Without it the model's own default holds, officially"
_AUDIO_HELP = (
    "An http, https or ftp URL; the bytes of an audio file as hexadecimal digits (even number, "
    "more than 100); or a base64 `data:` URI. In multipart/form-data also a file."
)

# apispec knows only inclusive bounds.
_ABOVE_ZERO = {"exclusiveMinimum": 0}


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


class TextLength(validate.Length):
    """Length in characters, and no lone surrogates, which no encoding can carry."""

    def __call__(self, value: Any) -> Any:
        super().__call__(value)
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise ValidationError("The text holds a lone surrogate.") from None
        return value


class TTSRequest(Schema):
    """Body of ``POST /tts``.

    Args:
        max_text_chars: longest text and emotion text.
    """

    class Meta:
        unknown = RAISE

    text = fields.Str(required=True, metadata={"description": "What to speak."})
    spk_audio = fields.Str(
        required=True, metadata={"description": f"The voice. {_AUDIO_HELP}", "minLength": 1}
    )
    emo_audio = fields.Str(
        load_default=None,
        allow_none=True,
        metadata={"description": f"A clip whose emotion is taken over. {_AUDIO_HELP}"},
    )
    emo_alpha = Number(
        load_default=1.0,
        allow_nan=False,
        validate=validate.Range(0, 1),
        metadata={"description": "Strength of the emotion."},
    )
    emo_vector = fields.List(
        Number(allow_nan=False, validate=validate.Range(0, 1.2)),
        load_default=None,
        allow_none=True,
        validate=validate.Length(equal=len(EMOTIONS)),
        metadata={"description": f"Strengths of: {', '.join(EMOTIONS)}."},
    )
    emo_text = fields.Str(
        load_default=None,
        allow_none=True,
        metadata={"description": "A text from which the emotion is read (needs the Qwen model)."},
    )
    seed = Whole(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, 2**63 - 1),
        metadata={"description": "Repeats a result; without it one is drawn and told."},
    )
    interval_silence = Whole(
        load_default=SynthesisRequest.interval_silence,
        validate=validate.Range(0, 10_000),
        metadata={"description": "Pause between segments in ms."},
    )
    max_text_tokens_per_segment = Whole(
        load_default=SynthesisRequest.max_text_tokens_per_segment,
        validate=validate.Range(4, 600),
        metadata={"description": "Longest segment in text tokens."},
    )
    temperature = Number(
        load_default=None,
        allow_none=True,
        allow_nan=False,
        validate=validate.Range(0, 10, min_inclusive=False),
        metadata={"description": "Higher is more varied.", **_ABOVE_ZERO},
    )
    top_p = Number(
        load_default=None,
        allow_none=True,
        allow_nan=False,
        validate=validate.Range(0, 1, min_inclusive=False),
        metadata={"description": "Share of the probability that is drawn from.", **_ABOVE_ZERO},
    )
    top_k = Whole(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, 1000),
        metadata={
            "description": f"Number of codes that are drawn from; 0 for all. {_OWN_DEFAULT} 30."
        },
    )
    num_beams = Whole(
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, 16),
        metadata={"description": f"Beams of the search; 1 is fastest. {_OWN_DEFAULT} 3."},
    )
    repetition_penalty = Number(
        load_default=None,
        allow_none=True,
        allow_nan=False,
        validate=validate.Range(0, 100, min_inclusive=False),
        metadata={"description": "Above 1 discourages repetition.", **_ABOVE_ZERO},
    )
    max_mel_tokens = Whole(
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, 1815),
        metadata={
            "description": "Longest segment in codes; a longer one is cut, with a warning. "
            f"{_OWN_DEFAULT} 1500."
        },
    )
    format = fields.Str(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(FORMATS),
        metadata={"description": "Form of the audio; wav, unless Accept names another."},
    )

    def __init__(self, max_text_chars: int = 5000) -> None:
        super().__init__()
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


class TTSResponse(Schema):
    """Answer of ``POST /tts`` in JSON."""

    audio_hex = fields.Str(
        required=True, metadata={"description": "The audio file as hexadecimal digits."}
    )
    audio_length = fields.Float(required=True, metadata={"description": "Seconds of audio."})
    inference_time = fields.Float(
        required=True, metadata={"description": "Seconds of the model, without wait and download."}
    )
    rtf = fields.Float(required=True, metadata={"description": "inference_time / audio_length."})
    text = fields.Str(required=True, metadata={"description": "The text of the request."})
    queue_time = fields.Float(required=True, metadata={"description": "Seconds in the queue."})
    fetch_time = fields.Float(
        required=True, metadata={"description": "Seconds for fetching and decoding the clips."}
    )
    seed = fields.Int(required=True, metadata={"description": "Repeats this result."})
    sample_rate = fields.Int(
        required=True, metadata={"description": "Of the model's sound, in Hz."}
    )
    format = fields.Str(required=True, validate=validate.OneOf(FORMATS))
    warnings = fields.List(
        fields.Str(), required=True, metadata={"description": "What the model could not follow."}
    )


class HealthResponse(Schema):
    """Answer of ``GET /health``."""

    status = fields.Str(
        required=True, validate=validate.OneOf(("healthy", "loading", "failed", "stuck"))
    )
    model_loaded = fields.Bool(required=True)
    deepspeed_enabled = fields.Bool(required=True)
    device = fields.Str(required=True, allow_none=True)
    precision = fields.Str(required=True, allow_none=True)
    model_name = fields.Str(required=True, allow_none=True)
    model_version = fields.Str(required=True, allow_none=True)
    model_notice = fields.Str(
        required=True,
        allow_none=True,
        metadata={"description": "What to know about this model before judging its speech."},
    )
    emotion_text = fields.Bool(
        required=True, metadata={"description": "Whether emo_text can be used."}
    )
    queue_length = fields.Int(required=True)
    queue_capacity = fields.Int(required=True)
    running = fields.Bool(required=True, metadata={"description": "A synthesis runs now."})
    uptime = fields.Float(required=True, metadata={"description": "Seconds since the start."})
    reason = fields.Str(
        required=True, allow_none=True, metadata={"description": "Why it is not healthy."}
    )
    fallback = fields.Str(
        required=True, allow_none=True, metadata={"description": "What was given up to go on."}
    )
    version = fields.Str(required=True, metadata={"description": "Version of the service."})


class LiveResponse(Schema):
    """Answer of ``GET /health/live``."""

    status = fields.Str(required=True, validate=validate.OneOf(("alive",)))


class ErrorResponse(Schema):
    """Every error."""

    error = fields.Str(required=True, metadata={"description": "Short name for programs."})
    detail = fields.Str(required=True, metadata={"description": "Sentence for people."})
    errors = fields.Dict(
        keys=fields.Str(), metadata={"description": "Sentences for single fields."}
    )
    request_id = fields.Str(required=True, metadata={"description": "To be found in the log."})
