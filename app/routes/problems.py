"""From whatever went wrong to an answer, in the shape that its address has.

:mod:`app.web.error_bodies` has the shapes.  The text of an exception never reaches a client unless
it speaks of the client's own input; the log has it under the request id.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import cast

from flask import Flask, Response, jsonify, request
from gunicorn.http.errors import ParseException
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from app.clips.errors import ClipError, DownloadTimeoutError
from app.places import PlacesFullError
from app.request_id import current_request_id
from app.runner.engine import (
    AudioError,
    DeadlineExceededError,
    EmotionTextUnavailableError,
    QualityUnavailableError,
    RequestError,
    TextError,
)
from app.runner.errors import (
    ClientGoneError,
    NotReadyError,
    QueueFullError,
    QueueTimeoutError,
    ReaderTooSlowError,
    RunnerError,
)
from app.voices.errors import (
    BadVoiceNameError,
    UnknownVoiceError,
    VoiceError,
    VoiceExistsError,
    VoicesBusyError,
    VoiceStorageError,
)
from app.web.error_bodies import error_body, error_status
from app.web.errors import (
    HTTP_ERRORS,
    ApiError,
    FieldErrors,
    client_closed,
    download_timeout,
    inference_failed,
    invalid_audio,
    model_not_loaded,
    too_busy,
    unknown_voice,
    validation_failed,
    voice_exists,
    voice_storage,
)
from app.web.hooks import trace

log = logging.getLogger(__name__)

EMO_TEXT_UNAVAILABLE = (
    "This server has no model for emotion from text; use emo_vector or emo_audio."
)
QUALITY_UNAVAILABLE = "This server cannot make this class ready; the other one is served."
DEADLINE_EXCEEDED = (
    "It was not spoken within the time that a request has (the server's INDEXTTS_REQUEST_SECONDS); "
    "send a shorter text."
)
VOICES_RETRY_SECONDS = 1
_BODY_HEADERS = frozenset({"content-type", "content-length"})


@dataclass(frozen=True)
class FieldNames:
    """What a route calls the parts of an order; the defaults are those of ``/tts``."""

    text: str = "text"
    speaker: str = "spk_audio"
    emotion: str = "emo_audio"
    emo_text: str = "emo_text"

    def of_clip(self, role: str) -> str:
        """The field of a clip; `role` is "speaker", "emotion" or, where nobody knows, empty."""
        return self.emotion if role == "emotion" else self.speaker


TTS_FIELDS = FieldNames()


def api_error(error: Exception, names: FieldNames = TTS_FIELDS) -> ApiError:
    """What to tell the client of an error between the request and the end of the speech.

    Args:
        error: any exception; one that nobody expects is logged here.
        names: of the route's fields.
    """
    if isinstance(error, ClipError | AudioError):
        return _clip_error(error, names.of_clip(error.clip))
    if isinstance(error, VoiceError):
        return _voice_error(error, names.of_clip(error.clip))
    if isinstance(error, RunnerError):
        return _runner_error(error)
    match error:
        case ApiError():
            return error
        case ValidationError():
            messages: FieldErrors = error.normalized_messages()  # type: ignore[no-untyped-call]
            return validation_failed(messages)
        case PlacesFullError():
            detail = f"Too many {error.what} are going on"
            return too_busy(f"{error.what}_full", detail, error.retry_after)
        case DeadlineExceededError():
            return inference_failed("deadline_exceeded", {names.text: [DEADLINE_EXCEEDED]})
        # These speak of the caller's own input only.
        case TextError():
            return _refused(error, names.text, "text")
        case RequestError():
            return _refused(error, "_schema")
        case EmotionTextUnavailableError():
            field, code = names.emo_text, "emo_text_unavailable"
            return validation_failed({field: [EMO_TEXT_UNAVAILABLE]}, "emo_text", {field: code})
        case QualityUnavailableError():
            code = "quality_unavailable"
            errors = {"quality": [QUALITY_UNAVAILABLE]}
            return validation_failed(errors, "quality", {"quality": code})
    log.error("The synthesis failed", exc_info=error)
    return inference_failed()


def _refused(error: TextError | RequestError, field: str, reason: str = "validation") -> ApiError:
    codes = {} if error.fault is None else {field: str(error.fault)}
    return validation_failed({field: [str(error)]}, reason, codes)


def _clip_error(error: ClipError | AudioError, field: str) -> ApiError:
    if isinstance(error, DownloadTimeoutError):
        return download_timeout(field, error.reason)
    if isinstance(error, ClipError):
        return invalid_audio(field, error.reason, str(error.code))
    return invalid_audio(field, str(error))


def _voice_error(error: VoiceError, field: str) -> ApiError:
    match error:
        case UnknownVoiceError():
            return unknown_voice(field, error.reason)
        case VoiceExistsError():
            return voice_exists(field, error.reason)
        case BadVoiceNameError():
            return validation_failed({field: [error.reason]}, "voice_name")
        case VoiceStorageError():
            return voice_storage(error.reason, full=error.full)
        case VoicesBusyError():
            return too_busy("voices_busy", error.reason, VOICES_RETRY_SECONDS)
    log.error("A stored voice failed", exc_info=error)
    return inference_failed()


def _runner_error(error: RunnerError) -> ApiError:
    match error:
        case NotReadyError():
            return model_not_loaded(error.status, error.retry_after)
        case QueueTimeoutError():
            detail = "The server is too busy to answer in time"
            return too_busy("queue_timeout", detail, error.retry_after)
        case QueueFullError():
            return too_busy("queue_full", "The server is busy", error.retry_after)
        case ClientGoneError() | ReaderTooSlowError():
            return client_closed()
    log.error("The engine was lost", exc_info=error)
    return inference_failed()


def problem_response(error: ApiError) -> Response:
    """The answer to the current request."""
    response = jsonify(error_body(request.path, error, current_request_id()))
    response.status_code = error_status(request.path, error)
    response.headers.update(error.headers)
    return response


def register_error_handlers(app: Flask) -> None:
    """Answer everything that is raised in a request in the shape of its address."""

    @app.errorhandler(ApiError)
    def known(error: ApiError) -> Response:
        trace().refusal = error.reason
        return problem_response(error)

    @app.errorhandler(ValidationError)
    def invalid(error: ValidationError) -> Response:
        return known(api_error(error))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            return cast(Response, error.get_response())  # a redirect is no error
        code, detail = HTTP_ERRORS.get(status, ("http_error", "The request failed"))
        if status >= 500:
            code, detail = "internal_error", "Internal server error"
        # Allow of a 405, Retry-After and the like stay.
        kept = {k: v for k, v in error.get_headers() if k.lower() not in _BODY_HEADERS}
        return problem_response(ApiError(status, code, detail, headers=kept))

    @app.errorhandler(ParseException)
    def unreadable_body(error: ParseException) -> Response:
        # Gunicorn finds broken chunks only when the body is read.
        return problem_response(ApiError(400, *HTTP_ERRORS[400]))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.error("Unexpected error", exc_info=error)
        return problem_response(ApiError(500, "internal_error", "Internal server error"))
