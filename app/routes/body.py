"""Read the body of a speech route: JSON, or a form with files."""

from __future__ import annotations

import json
from typing import Any

from flask import Request
from marshmallow import fields
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from app.routes.schemas import SpeechRequest
from app.web.errors import validation_failed

FILE_FIELDS = ("spk_audio", "emo_audio")
UPLOADED = "(file)"

Uploads = dict[str, bytes]


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
    if request.mimetype == "multipart/form-data":
        values, uploads = _read_form(request, schema)
    elif request.is_json:
        values, uploads = _read_json(request), {}
    else:
        raise UnsupportedMediaType
    return schema.load(values), uploads


def _read_json(request: Request) -> Any:
    try:
        return request.get_json()
    except (BadRequest, RecursionError) as error:
        # 400 is the answer to bad audio; a bad body is one of the validation errors.
        if type(error) not in (BadRequest, RecursionError):
            raise
        raise validation_failed({"_schema": ["The body is not valid JSON."]}) from None


def _read_form(request: Request, schema: SpeechRequest) -> tuple[dict[str, Any], Uploads]:
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, texts in request.form.lists():
        field = schema.fields.get(name)
        if len(texts) > 1 and not isinstance(field, fields.List):
            errors[name] = ["Give this field once."]
        values[name] = texts[0] if field is None else _from_form(field, ",".join(texts))
    uploads: Uploads = {}
    for name, files in request.files.lists():
        if name not in FILE_FIELDS:
            errors[name] = ["No file is expected here."]
        elif name in values or len(files) > 1:
            errors[name] = ["Give this field once."]
        else:
            uploads[name] = files[0].read()
            values[name] = UPLOADED
    if errors:
        raise validation_failed(errors)
    return values, uploads


def _from_form(field: fields.Field[Any], text: str) -> Any:
    """Text of a form as the JSON value that it stands for; the schema judges the result."""
    if isinstance(field, fields.Str):
        return text
    is_list = isinstance(field, fields.List)
    if is_list and not text.lstrip().startswith("[") and text.strip() != "null":
        text = f"[{text}]"
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
