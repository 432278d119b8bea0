"""``POST /v1/audio/speech``: OpenAI's text-to-speech."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Blueprint, Request, Response, request

from app.routes.body import read_json, refuse_compressed
from app.routes.file_answer import file_response
from app.routes.openai.events import SpeechEventWriter
from app.routes.openai.schema import SpeechBody
from app.routes.openai.wish import Wish, wish_of
from app.routes.problems import api_error
from app.routes.receive import admit, caller_named, deadline_of
from app.routes.stream_writers import SoundWriter
from app.routes.streaming import stream_speech
from app.services import Services, services
from app.speech.encode import encode_audio
from app.speech.events import collect
from app.speech.stream_encode import stream_encoder
from app.web.errors import ApiError, unsupported_type
from app.web.hooks import trace

SHOULD_RETRY = "X-Should-Retry"


def make_openai_speech_blueprint(schema: SpeechBody) -> Blueprint:
    """The route, for bodies that `schema` validates."""
    bp = Blueprint("openai_speech", __name__)

    @bp.post("/v1/audio/speech")
    def openai_speech() -> Response:
        """Speak a text in a stored voice, or in that of a clip."""
        parts = services()
        wish = _receive(parts, schema)
        explain = _explainer(wish)
        if wish.form.delivery == "whole":
            response = _whole(parts, wish, explain)
        else:
            encoder = partial(stream_encoder, wish.form.format, target_rate=wish.form.rate)
            writer = SpeechEventWriter if wish.form.delivery == "events" else SoundWriter
            response = stream_speech(parts, wish.order, encoder, writer, explain)
        response.headers.update(wish.form.headers)
        return response

    return bp


def _receive(parts: Services, schema: SpeechBody) -> Wish:
    deadline = deadline_of(parts)
    name = admit(parts)
    _check_type(request)
    fields = schema.load(read_json(request, schema.max_text_chars))
    emotion_text = parts.runner.status().facts.emotion_text
    return wish_of(fields, caller_named(name), deadline, emotion_text)


def _check_type(request: Request) -> None:
    """JSON, or nothing said, as simple clients do: forms are allowed on other routes, so this opens
    no door to pages of other sites.
    """
    refuse_compressed(request)
    if request.mimetype and not request.is_json:
        raise unsupported_type("Send application/json")


def _whole(parts: Services, wish: Wish, explain: Callable[[Exception], ApiError]) -> Response:
    form = wish.form
    assert form.format != "ogg", "no format of OpenAI"
    try:
        speech = collect(parts.speech.speak(wish.order))
        audio = encode_audio(
            speech.samples, speech.finished.sample_rate, form.format, target_rate=form.rate
        )
    except Exception as error:
        raise explain(error) from error
    trace().told.update(speech.finished.log_fields())
    response = file_response(audio, speech.finished)
    # Nginx does not hold back what streams; this it may, so that a slow reader holds no thread.
    response.headers["X-Accel-Buffering"] = "yes"
    return response


def _explainer(wish: Wish) -> Callable[[Exception], ApiError]:
    def explain(error: Exception) -> ApiError:
        told = api_error(error, wish.names)
        # OpenAI's clients repeat a request by themselves after 408 and 5xx: not where the same
        # would only happen again.
        if told.code in ("deadline_exceeded", "download_timeout") or (
            told.code == "inference_failed" and wish.order.seed is not None
        ):
            told.headers[SHOULD_RETRY] = "false"
        return told

    return explain
