"""One shape for every error answer, and the sentences that clients may rely on.

``{"error": code, "detail": sentence, "errors"?: {field: [sentences]}, "request_id": id}``.
The text of an exception never reaches a client; the log has it under the request id.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

from flask import Flask, Response, jsonify
from gunicorn.http.errors import ParseException
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from app.request_id import current_request_id

log = logging.getLogger(__name__)

FieldErrors = Mapping[str, Any]

# Codes and sentences of errors that Flask itself raises.
HTTP_ERRORS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be understood"),
    404: ("not_found", "There is nothing at this address"),
    405: ("method_not_allowed", "This method is not allowed here"),
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
        headers: Mapping[str, str] | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.reason = reason or code

    def response(self) -> Response:
        """The answer; needs an application context."""
        body: dict[str, Any] = {"error": self.code, "detail": self.detail}
        if self.errors:
            body["errors"] = self.errors
        body["request_id"] = current_request_id()
        response = jsonify(body)
        response.status_code = self.status
        response.headers.update(self.headers)
        return response


def invalid_audio(field: str, reason: str, code: str = "undecodable") -> ApiError:
    """400: a clip cannot be used."""
    return ApiError(
        400,
        "invalid_audio",
        "Invalid audio input format",
        errors={field: [reason]},
        reason=f"audio_{code}",
    )


def download_timeout(field: str, reason: str) -> ApiError:
    """408: a clip could not be fetched in time."""
    # Without "close" some clients take a 408 as leave to send the request again by themselves.
    return ApiError(408, "download_timeout", "Download timeout", errors={field: [reason]})


def validation_failed(errors: FieldErrors, reason: str = "validation") -> ApiError:
    """422: the fields do not fit the schema or the model."""
    return ApiError(422, "validation_error", "Validation failed", errors=errors, reason=reason)


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
    return ApiError(499, "client_closed_request", "The client closed the connection")


def unauthorized() -> ApiError:
    """401: no valid key or token."""
    return ApiError(
        401,
        "unauthorized",
        "A valid API key or token is required",
        headers={"WWW-Authenticate": 'Bearer realm="tts"'},
    )


def register_error_handlers(app: Flask) -> None:
    """Answer everything that is raised in a request with the one shape."""

    @app.errorhandler(ApiError)
    def known(error: ApiError) -> Response:
        return error.response()

    @app.errorhandler(ValidationError)
    def invalid(error: ValidationError) -> Response:
        messages: FieldErrors = error.normalized_messages()  # type: ignore[no-untyped-call]
        return validation_failed(messages).response()

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
        return ApiError(status, code, detail, headers=kept).response()

    @app.errorhandler(ParseException)
    def unreadable_body(error: ParseException) -> Response:
        # Gunicorn finds broken chunks only when the body is read.
        return ApiError(400, *HTTP_ERRORS[400]).response()

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.error("Unexpected error", exc_info=error)
        return ApiError(500, "internal_error", "Internal server error").response()


_BODY_HEADERS = frozenset({"content-type", "content-length"})
