"""From a request to an order: who calls, may they, what do they want."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from flask import request

from app.request_id import current_request_id
from app.routes.body import Uploads, read_body
from app.routes.schemas import SpeechRequest
from app.runner.engine import OPTIONS
from app.services import Services
from app.speech.order import Caller, ClipInput, SpeechOrder
from app.web.client import client_gone, more_sound
from app.web.errors import too_busy


@dataclass(frozen=True)
class Received:
    """An order, and what of the body is for the route itself.

    Attributes:
        order: for the speech service.
        fields: the validated body.
    """

    order: SpeechOrder
    fields: dict[str, Any]


def receive(parts: Services, schema: SpeechRequest) -> Received:
    """Read the current request.

    Raises:
        ApiError: 401, 429, or a body that is none.
        marshmallow.ValidationError: a field is wrong.
        werkzeug.exceptions.HTTPException: wrong content type, too large.
    """
    deadline = deadline_of(parts)
    name = admit(parts)
    fields, uploads = read_body(request, schema)
    vector = fields["emo_vector"]
    order = SpeechOrder(
        text=fields["text"],
        speaker=_clip("spk_audio", fields, uploads),
        caller=caller_named(name),
        deadline=deadline,
        emotion=_clip("emo_audio", fields, uploads) if fields["emo_audio"] is not None else None,
        emo_vector=None if vector is None else tuple(vector),
        emo_text=fields["emo_text"],
        seed=fields["seed"],
        normalization=fields["normalization"],
        quality=fields["quality"],
        pauses=fields["pauses"],
        options={option.name: fields[option.name] for option in OPTIONS},
    )
    return Received(order, fields)


def deadline_of(parts: Services) -> float:
    """Value of ``time.monotonic()`` at which a request that comes now is given up."""
    return time.monotonic() + parts.settings.request_seconds


def caller_named(name: str) -> Caller:
    """Who waits at the other end of the current request."""
    connection = request.environ.get("gunicorn.socket")
    return Caller(
        name=name,
        gone=client_gone(connection),
        request_id=current_request_id(),
        more_sound=more_sound(connection),
    )


def admit(parts: Services) -> str:
    """Who calls: a hash of their key, or their address.

    Raises:
        ApiError: 401 without a valid key, 429 where the caller has used up their allowance.
    """
    caller = parts.authenticator.identify(request)
    if parts.rate_limiter is not None:
        wait = parts.rate_limiter.wait_seconds(caller)
        if wait > 0:
            raise too_busy("rate_limited", "Too many requests", max(1, math.ceil(wait)))
    return caller


def _clip(name: str, fields: dict[str, Any], uploads: Uploads) -> ClipInput:
    uploaded = uploads.get(name)
    return uploaded if uploaded is not None else str(fields[name])
