"""Every error answer, without its shape: status, code and the sentences that clients rely on.

:mod:`app.routes.problems` makes answers of them, :mod:`app.web.error_bodies` their bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FieldErrors = Mapping[str, Any]
CLIENT_CLOSED = "client_closed_request"

# Codes and sentences of errors that Flask itself raises.
HTTP_ERRORS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be understood"),
    404: ("not_found", "There is nothing at this address"),
    405: ("method_not_allowed", "This method is not allowed here"),
    408: ("request_timeout", "The request did not arrive in time"),
    413: ("body_too_large", "The request body is too large"),
    414: ("uri_too_long", "The address is too long"),
    415: ("unsupported_media_type", "Send application/json or multipart/form-data"),
    431: ("headers_too_large", "The request headers are too large"),
}


class ApiError(Exception):
    """An error answer.

    Attributes:
        status: HTTP status.
        code: short name for programs.
        detail: sentence for people.
        errors: sentences for single fields.
        codes: short names of the same, where they have one.
        headers: further response headers.
        reason: label for the metric of refusals.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: FieldErrors | None = None,
        codes: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.codes = dict(codes or {})
        self.headers = dict(headers or {})
        self.reason = reason or code


def invalid_audio(field: str, reason: str, code: str = "undecodable") -> ApiError:
    """400: a clip cannot be used."""
    return ApiError(
        400,
        "invalid_audio",
        "Invalid audio input format",
        errors={field: [reason]},
        codes={field: code},
        reason=f"audio_{code}",
    )


def unknown_voice(field: str, reason: str) -> ApiError:
    """404: there is no stored voice of this name."""
    return ApiError(404, "unknown_voice", "Unknown voice", errors={field: [reason]})


def voice_exists(field: str, reason: str) -> ApiError:
    """409: the name of a new voice is taken."""
    return ApiError(409, "voice_exists", "The name is taken", errors={field: [reason]})


def voices_read_only() -> ApiError:
    """403: nobody may change the voices here."""
    detail = "Voices cannot be changed here (the server's INDEXTTS_VOICES_WRITE is off)"
    return ApiError(403, "voices_read_only", detail)


def foreign_page() -> ApiError:
    """403: a browser sent this for a page of another site."""
    detail = "Pages of other sites may not change voices (the server's INDEXTTS_CORS_ORIGINS)"
    return ApiError(403, "foreign_page", detail)


def voice_storage(reason: str, *, full: bool) -> ApiError:
    """507: no room for a voice; 500: the folder cannot be read or written."""
    if full:
        return ApiError(507, "voice_storage_full", reason)
    return ApiError(500, "voice_storage_failed", reason)


def download_timeout(field: str, reason: str) -> ApiError:
    """408: a clip could not be fetched in time."""
    # Without "close" some clients take a 408 as leave to send the request again by themselves.
    return ApiError(408, "download_timeout", "Download timeout", errors={field: [reason]})


def unsupported_type(detail: str) -> ApiError:
    """415: a body in a form that is not read here; `detail` says which to send."""
    return ApiError(415, "unsupported_media_type", detail)


def validation_failed(
    errors: FieldErrors, reason: str = "validation", codes: Mapping[str, str] | None = None
) -> ApiError:
    """422: the fields do not fit the schema or the model."""
    return ApiError(
        422, "validation_error", "Validation failed", errors=errors, codes=codes, reason=reason
    )


def model_not_loaded(status: str, retry_after: int) -> ApiError:
    """503: no usable model now."""
    headers = {"Retry-After": str(retry_after)}
    return ApiError(503, "model_not_loaded", "Model not loaded", headers=headers, reason=status)


def too_busy(code: str, detail: str, retry_after: int) -> ApiError:
    """429: the queue or the caller's allowance is used up."""
    return ApiError(429, code, detail, headers={"Retry-After": str(retry_after)})


def inference_failed(code: str = "inference_failed", errors: FieldErrors | None = None) -> ApiError:
    """500: the synthesis failed or did not finish in time."""
    return ApiError(500, code, "TTS inference failed", errors=errors)


def client_closed() -> ApiError:
    """499, as Nginx says it: nobody reads this answer; it is for the log and the metrics."""
    return ApiError(499, CLIENT_CLOSED, "The client closed the connection")


def unauthorized() -> ApiError:
    """401: no valid key or token."""
    return ApiError(
        401,
        "unauthorized",
        "A valid API key or token is required",
        headers={"WWW-Authenticate": 'Bearer realm="tts"'},
    )
