"""What comes out of the API: answers are dumped by the schemas that document them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_type_hints

from marshmallow import Schema, fields, validate

from app.routes.schemas import FORMATS
from app.runner.engine import QUALITIES, VERSION, ModelFacts
from app.runner.status import STATUSES
from app.speech.events import SegmentReady


@dataclass(frozen=True)
class WholeAnswer:
    """What ``POST /tts`` answers in JSON; see :class:`TTSResponse`."""

    audio_hex: str = field(repr=False)
    audio_length: float
    inference_time: float
    rtf: float
    text: str = field(repr=False)
    queue_time: float
    fetch_time: float
    seed: int
    quality: str
    sample_rate: int
    format: str
    warnings: tuple[str, ...]
    segments: tuple[SegmentReady, ...]
    subtitles: str | None


class SegmentResponse(Schema):
    """One segment of an answer."""

    text = fields.Str(
        required=True, metadata={"description": "The part of the text that is spoken."}
    )
    spoken_text = fields.Str(required=True, metadata={"description": "The words that are heard."})
    start = fields.Float(required=True, metadata={"description": "Seconds from the beginning."})
    end = fields.Float(required=True, metadata={"description": "Likewise, without the pause."})


class TTSResponse(Schema):
    """Answer of ``POST /tts`` in JSON; dumps a :class:`app.routes.answers.WholeAnswer`."""

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
    quality = fields.Str(
        required=True,
        validate=validate.OneOf(QUALITIES),
        metadata={"description": "The class that it was spoken in."},
    )
    sample_rate = fields.Int(
        required=True, metadata={"description": "Of the model's sound, in Hz."}
    )
    format = fields.Str(required=True, validate=validate.OneOf(FORMATS))
    warnings = fields.List(
        fields.Str(), required=True, metadata={"description": "What the model could not follow."}
    )
    segments = fields.List(
        fields.Nested(SegmentResponse),
        required=True,
        metadata={"description": "What is heard when."},
    )
    subtitles = fields.Str(
        metadata={"description": "The segments as a subtitle file, where it was asked for."}
    )


class SegmentEvent(SegmentResponse):
    """Data of a ``segment`` event of ``POST /tts/stream``."""

    audio = fields.Str(metadata={"description": "The next bytes of the file, in base64."})


class SummaryEvent(Schema):
    """Data of the ``finished`` event; dumps a :class:`app.speech.events.Finished`."""

    audio = fields.Str(metadata={"description": "The last bytes of the file, in base64."})
    audio_length = fields.Float(required=True, attribute="audio_seconds")
    inference_time = fields.Float(required=True, attribute="times.inference")
    rtf = fields.Float(required=True)
    queue_time = fields.Float(required=True, attribute="times.queue")
    fetch_time = fields.Float(required=True, attribute="times.fetch")
    seed = fields.Int(required=True)
    quality = fields.Str(required=True, validate=validate.OneOf(QUALITIES))
    sample_rate = fields.Int(required=True)
    warnings = fields.List(fields.Str(), required=True)


_FACT_FIELDS: dict[Any, type[fields.Field[Any]]] = {
    str: fields.Str,
    int: fields.Int,
    bool: fields.Bool,
}


def fact_fields() -> dict[str, fields.Field[Any]]:
    """A field for each fact of a model: a new fact is shown and documented by itself."""
    made: dict[str, fields.Field[Any]] = {}
    hints = get_type_hints(ModelFacts)
    for fact in dataclasses.fields(ModelFacts):
        kinds = getattr(hints[fact.name], "__args__", (hints[fact.name],))
        made[fact.name] = _FACT_FIELDS[kinds[0]](
            required=True,
            allow_none=len(kinds) > 1,
            attribute=f"facts.{fact.name}",
            metadata={"description": fact.metadata["meaning"]},
        )
    return made


class HealthResponse(Schema):
    """Answer of ``GET /health``; dumps a :class:`app.runner.status.RunnerStatus`."""

    class Meta:
        include: ClassVar[dict[str, fields.Field[Any]]] = fact_fields()

    status = fields.Str(required=True, validate=validate.OneOf(STATUSES))
    model_loaded = fields.Bool(required=True)
    idle_unloaded = fields.Bool(
        required=True,
        metadata={
            "description": "The model is not loaded because nobody needed it; the next request "
            "has it loaded."
        },
    )
    queue_length = fields.Int(required=True)
    queue_capacity = fields.Int(required=True)
    expected_wait = fields.Float(
        required=True, metadata={"description": "Seconds that a new request would about wait."}
    )
    running = fields.Bool(required=True, metadata={"description": "A synthesis runs now."})
    uptime = fields.Float(required=True, metadata={"description": "Seconds since the start."})
    reason = fields.Str(
        required=True, allow_none=True, metadata={"description": "Why it is not healthy."}
    )
    fallback = fields.Str(
        required=True, allow_none=True, metadata={"description": "What was given up to go on."}
    )
    version = fields.Function(
        lambda _: VERSION,
        required=True,
        metadata={"description": "Version of the service.", "type": "string"},
    )


class LiveResponse(Schema):
    """Answer of ``GET /health/live``."""

    status = fields.Str(required=True, dump_default="alive", validate=validate.OneOf(("alive",)))


class ErrorResponse(Schema):
    """Every error."""

    error = fields.Str(required=True, metadata={"description": "Short name for programs."})
    detail = fields.Str(required=True, metadata={"description": "Sentence for people."})
    errors = fields.Dict(
        keys=fields.Str(), metadata={"description": "Sentences for single fields."}
    )
    codes = fields.Dict(
        keys=fields.Str(),
        values=fields.Str(),
        metadata={"description": "Short names of the same for programs, where they have one."},
    )
    request_id = fields.Str(required=True, metadata={"description": "To be found in the log."})
