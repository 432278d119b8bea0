"""What goes into and comes out of the routes of stored voices."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from app.routes.schemas import TextLength
from app.voices.errors import BadVoiceNameError
from app.voices.names import MAX_CHARS, check_name

MAX_NOTE_CHARS = 500
LANGUAGE = r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}"
NAME_HELP = (
    f"Letters, digits, - and _ of any script, at most {MAX_CHARS} characters; case does not matter."
)


class NoteLength(TextLength):
    """Bounded in length, and nothing in it but lines of characters."""

    def __call__(self, value: Any) -> Any:
        super().__call__(value)
        bad = [c for c in value if unicodedata.category(c) in ("Cc", "Cn") and c not in "\n\t"]
        if bad or "\ufffd" in value:
            raise ValidationError("The text holds characters that are none.")
        return value


class Note(fields.Str):
    """A text for people, judged and kept without the blanks around it."""

    def _deserialize(self, value: Any, *args: Any, **more: Any) -> Any:
        text = super()._deserialize(value, *args, **more)
        # Browsers end the lines of a form with CR LF, whatever was typed.
        return re.sub("\r\n?", "\n", text).strip()


class VoiceUpload(Schema):
    """Form of ``POST /v1/audio/voices``, beside the file ``audio_sample``."""

    class Meta:
        # Clients of other servers send fields of those servers.
        unknown = EXCLUDE

    name = fields.Str(required=True, metadata={"description": NAME_HELP})
    consent = Note(
        required=True,
        validate=NoteLength(min=1, max=MAX_NOTE_CHARS),
        metadata={"description": "A note on the speaker's consent; every caller can read it."},
    )
    description = Note(
        load_default="",
        validate=NoteLength(max=MAX_NOTE_CHARS),
        metadata={"description": "For people who choose a voice."},
    )
    language = fields.Str(
        load_default="",
        validate=validate.Regexp(rf"(?:{LANGUAGE})?\Z", error="Not a tag such as en or zh-CN."),
        metadata={"description": "A tag such as `en` or `zh-CN`."},
    )

    def __init__(self) -> None:
        super().__init__()
        self.fields["name"].validators = [_valid_name]


class VoiceResponse(Schema):
    """A stored voice."""

    name = fields.Str(required=True, metadata={"description": NAME_HELP})
    language = fields.Str(required=True, metadata={"description": "A tag such as en, or empty."})
    description = fields.Str(required=True)
    purpose = fields.Str(
        required=True,
        metadata={"description": "`emotion` for a clip that is meant for `emo_audio`, or empty."},
    )
    consent = fields.Str(required=True, metadata={"description": "On the speaker's consent."})
    sha256 = fields.Str(required=True, metadata={"description": "Of the clip, where it is known."})
    aliases = fields.List(fields.Str(), required=True, metadata={"description": "Further names."})
    preview = fields.Str(required=True, metadata={"description": "Address of the clip."})


class VoicesResponse(Schema):
    """Answer of ``GET /v1/audio/voices``."""

    voices = fields.List(fields.Str(), required=True, metadata={"description": "Their names."})
    details = fields.List(fields.Nested(VoiceResponse), required=True)
    aliases = fields.Dict(
        keys=fields.Str(),
        values=fields.Str(),
        required=True,
        metadata={"description": "Further names, and the voices that they stand for."},
    )
    default = fields.Str(
        required=True,
        allow_none=True,
        metadata={"description": "The voice of a request that names none."},
    )
    writable = fields.Bool(
        required=True, metadata={"description": "Whether voices can be added and removed."}
    )


class RemovedVoiceResponse(Schema):
    """Answer of ``DELETE /v1/audio/voices/{name}``."""

    name = fields.Str(required=True)
    deleted = fields.Bool(required=True, validate=validate.Equal(True))


def _valid_name(text: str) -> None:
    try:
        check_name(text)
    except BadVoiceNameError as error:
        raise ValidationError(error.reason) from None
