"""``/v1/audio/voices``: the stored voices, to be listed, heard, added and removed."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, jsonify, request, url_for

from app.clips.containers import clip_format
from app.clips.decode import require_size
from app.routes.body import refuse_compressed, require_form
from app.routes.problems import FieldNames, api_error
from app.routes.receive import admit, deadline_of
from app.routes.voice_schemas import (
    RemovedVoiceResponse,
    VoiceResponse,
    VoicesResponse,
    VoiceUpload,
)
from app.services import Services, services
from app.voices.store import NewVoice
from app.voices.voice import Voice
from app.web.errors import (
    foreign_page,
    unsupported_type,
    validation_failed,
    voices_read_only,
)
from app.web.origin import from_other_site

SAMPLE = "audio_sample"
# What is wrong with a voice is wrong with its name, what is wrong with a clip with the file.
OF_STORE = FieldNames(speaker="name")
OF_UPLOAD = FieldNames(speaker=SAMPLE)

bp = Blueprint("voices", __name__)


@bp.get("/v1/audio/voices")
def list_voices() -> Response:
    """All stored voices."""
    parts = services()
    admit(parts)
    try:
        listing = parts.voices.listing()
    except Exception as error:
        raise api_error(error, OF_STORE) from error
    base = url_for("voices.list_voices")
    names: dict[str, list[str]] = {}
    for alias, name in listing.aliases.items():
        names.setdefault(name, []).append(alias)
    answer = {
        "voices": [voice.name for voice in listing.voices],
        "details": [_shown(voice, names.get(voice.name, []), base) for voice in listing.voices],
        "aliases": listing.aliases,
        "default": listing.default,
        "writable": parts.settings.voices_write and parts.voices.writable,
    }
    return jsonify(VoicesResponse().dump(answer))


@bp.get("/v1/audio/voices/<name>/sample")
def sample(name: str) -> Response:
    """The clip that would be spoken with, as it is stored."""
    parts = services()
    admit(parts)
    try:
        voice, data = parts.voices.sample(name)
        require_size(data, parts.settings.fetch_max_bytes)
    except Exception as error:
        raise api_error(error, OF_STORE) from error
    form = clip_format(data)
    response = Response(data, content_type=form.mime)
    # Headers are ASCII, names are not (RFC 8187).
    name = quote(f"{voice.name}{form.suffix}", safe="")
    response.headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name}"
    return response


@bp.post("/v1/audio/voices")
def add_voice() -> tuple[Response, int]:
    """Store a clip under a name."""
    parts = services()
    deadline = deadline_of(parts)
    caller = _admit_writer(parts)
    fields, clip = _read_form()
    try:
        # Judged as any clip is; what is stored is the file as it came.
        parts.clips.load("speaker", clip, deadline, caller)
    except Exception as error:
        raise api_error(error, OF_UPLOAD) from error
    new = NewVoice(clip=clip, suffix=clip_format(clip).suffix, **fields)
    try:
        voice = parts.voices.add(new)
    except Exception as error:
        raise api_error(error, OF_STORE) from error
    return jsonify(VoiceResponse().dump(_shown(voice, [], url_for("voices.list_voices")))), 201


@bp.delete("/v1/audio/voices/<name>")
def remove_voice(name: str) -> Response:
    """Remove a voice."""
    parts = services()
    _admit_writer(parts)
    try:
        removed = parts.voices.remove(name)
    except Exception as error:
        raise api_error(error, OF_STORE) from error
    return jsonify(RemovedVoiceResponse().dump({"name": removed, "deleted": True}))


def _shown(voice: Voice, aliases: list[str], base: str) -> dict[str, object]:
    """What :class:`VoiceResponse` dumps; `base` is the address of the list."""
    told = voice.sidecar
    return {
        "name": voice.name,
        "language": told.language,
        "description": told.description,
        "purpose": told.purpose,
        "consent": told.consent,
        "sha256": told.sha256,
        "aliases": aliases,
        "preview": f"{base}/{quote(voice.name, safe='')}/sample",
    }


def _admit_writer(parts: Services) -> str:
    """Who calls, if they may change voices.

    Raises:
        ApiError: 401, 429; 403 where nobody may, or for a page of another site.
    """
    caller = admit(parts)
    if not parts.settings.voices_write:
        raise voices_read_only()
    if from_other_site(request, parts.settings.cors_origins):
        raise foreign_page()
    return caller


def _read_form() -> tuple[dict[str, str], bytes]:
    """The validated fields, and the clip.

    Raises:
        ApiError: a field or file is missing, or there twice.
        marshmallow.ValidationError: a field is wrong.
        werkzeug.exceptions.HTTPException: wrong content type, too large.
    """
    refuse_compressed(request)
    if request.mimetype != "multipart/form-data":
        raise unsupported_type("Send multipart/form-data")
    require_form(request)
    schema = VoiceUpload()
    errors = {
        name: ["Give this field once."]
        for name, texts in request.form.lists()
        if len(texts) > 1 and name in schema.fields
    }
    files = request.files.getlist(SAMPLE)
    if len(files) != 1:
        errors[SAMPLE] = ["Send the clip as a file, once."]
    if errors:
        raise validation_failed(errors)
    fields: dict[str, str] = schema.load(request.form.to_dict())
    return fields, files[0].read()
