"""Read the body of a speech route: JSON, or a form with files."""

from __future__ import annotations

import json
import sys
from typing import Any

from flask import Request
from marshmallow import fields
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from app.routes.schemas import SpeechRequest
from app.web.errors import unsupported_type, validation_failed

FILE_FIELDS = ("spk_audio", "emo_audio")
UPLOADED = "(file)"
# What a decoder writes for bytes that are no UTF-8.
REPLACEMENT = "\ufffd"

# Commas and brackets that a body may have beside those in its texts: far more than any real one,
# and so few that reading them costs nothing.
MAX_STRUCTURE = 1000
MAX_NAME_LENGTH = 64

Uploads = dict[str, bytes]


class UnreadableJSONError(ValueError):
    """This is no JSON, or none that can be read; the message says why."""


class LongNumberError(UnreadableJSONError):
    """A number has more digits than are read."""


def read_body(request: Request, schema: SpeechRequest) -> tuple[dict[str, Any], Uploads]:
    """Validate the body.

    Returns:
        The fields of the schema, and the bytes of uploaded files by field name.  A field whose
        clip was uploaded holds UPLOADED.

    Raises:
        ApiError: the body is no JSON object or form.
        marshmallow.ValidationError: a field is wrong.
        werkzeug.exceptions.HTTPException: wrong content type, too large.
    """
    refuse_compressed(request)
    if request.mimetype == "multipart/form-data":
        values, uploads = _read_form(request, schema)
    elif request.is_json:
        values, uploads = read_json(request, schema.max_text_chars), {}
    else:
        raise UnsupportedMediaType
    _check_names(values)
    return schema.load(values), uploads


def refuse_compressed(request: Request) -> None:
    """Raises ApiError for a body that would grow when it is unpacked."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise unsupported_type("Compressed bodies are not read; send it without Content-Encoding")


def read_json(request: Request, max_text_chars: int) -> Any:
    """The body's JSON, bounded in structure before it is parsed.

    Args:
        request: whose body is read.
        max_text_chars: of each of the two texts that the body may hold.

    Raises:
        ApiError: it is not JSON, or has too many elements.
        werkzeug.exceptions.HTTPException: too large.
    """
    data = request.get_data()
    # Texts may hold any number of these, and their length is limited.
    allowed = MAX_STRUCTURE + 2 * max_text_chars
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > allowed:
        raise validation_failed({"_schema": ["The body has too many elements."]})
    try:
        return _parsed(data)
    except UnreadableJSONError as error:
        # 400 is the answer to bad audio; a bad body is one of the validation errors.
        raise validation_failed({"_schema": [str(error)]}) from None


def require_form(request: Request) -> None:
    """Parse the form; afterwards its fields and files are there.

    Raises:
        ApiError: too many fields, or none that could be found.
        werkzeug.exceptions.HTTPException: too large.
    """
    try:
        found = request.form or request.files
    except RequestEntityTooLarge:
        if _is_too_large(request):
            raise
        # Werkzeug says this of many fields, too, however small they are.
        told = f"The form has more than {request.max_form_parts} fields and files."
        raise validation_failed({"_schema": [told]}) from None
    if not found:
        # A form that cannot be parsed looks like one without fields.
        told = "No fields were found: the form is empty or cut off, or Content-Type has no boundary"
        raise validation_failed({"_schema": [f"{told} or another one than the form."]})


def _is_too_large(request: Request) -> bool:
    """Whether a body that was refused as too large has more bytes than are read."""
    most = request.max_content_length
    # Chunks have no length beforehand; of them no more is read than may come.
    return most is None or (request.content_length or 0) > most or request.stream.tell() >= most


def _parsed(text: str | bytes) -> Any:
    """The value of a JSON text; raises UnreadableJSONError."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise UnreadableJSONError("The body is not valid JSON.") from None
    except RecursionError:
        raise UnreadableJSONError("The JSON is nested too deeply.") from None
    except ValueError:
        # The time for it grows with the square of the digits, so Python has a limit.
        most = sys.get_int_max_str_digits()
        raise LongNumberError(f"A number has more than {most} digits.") from None


def _check_names(values: Any) -> None:
    """An unknown name is told to the client, so it must not be long."""
    if isinstance(values, dict) and any(len(name) > MAX_NAME_LENGTH for name in values):
        raise validation_failed({"_schema": ["The name of a field is too long."]})


def _read_form(request: Request, schema: SpeechRequest) -> tuple[dict[str, Any], Uploads]:
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    require_form(request)
    for name, texts in request.form.lists():
        field = schema.fields.get(name)
        if len(texts) > 1 and not isinstance(field, fields.List):
            errors[name] = ["Give this field once."]
        if any(REPLACEMENT in text for text in texts):
            errors[name] = ["The text is not UTF-8."]
        text = ",".join(texts)
        if field is None or not _left_empty(field, text):
            try:
                values[name] = text if field is None else _from_form(field, text)
            except LongNumberError as error:
                errors[name] = [str(error)]
    uploads: Uploads = {}
    for name, files in request.files.lists():
        given = [file for file in files if file.filename or file.stream.read(1)]
        if not given:
            continue  # a form's field for a file, left empty
        if name not in FILE_FIELDS:
            errors[name] = ["No file is expected here."]
        elif name in values or len(given) > 1:
            errors[name] = ["Give this field once."]
        else:
            given[0].stream.seek(0)
            uploads[name] = given[0].read()
            values[name] = UPLOADED
    if errors:
        raise validation_failed(errors)
    return values, uploads


def _left_empty(field: fields.Field[Any], text: str) -> bool:
    """Whether a form says nothing here: browsers send empty fields, Swagger UI also "null"."""
    return not field.required and text.strip() in ("", "null")


def _from_form(field: fields.Field[Any], text: str) -> Any:
    """Text of a form as the JSON value that it stands for; the schema judges the result.

    Raises:
        LongNumberError: the schema would call it no number.
    """
    if isinstance(field, fields.Str):
        return text
    if isinstance(field, fields.List) and not text.lstrip().startswith("["):
        text = f"[{text}]"
    if text.count(",") + text.count("[") > MAX_STRUCTURE:
        return text
    try:
        return _parsed(text)
    except LongNumberError:
        raise
    except UnreadableJSONError:
        return text
