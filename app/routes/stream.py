"""``POST /tts/stream``: the sound while it is being made, as bytes or as server-sent events."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, request

from app.routes.negotiation import negotiate_stream
from app.routes.receive import receive
from app.routes.schemas import StreamRequest
from app.routes.stream_writers import EventWriter, SoundWriter
from app.routes.streaming import stream_speech
from app.services import services
from app.speech.stream_encode import stream_encoder


def make_stream_blueprint(schema: StreamRequest) -> Blueprint:
    """The route, for bodies that `schema` validates."""
    bp = Blueprint("stream", __name__)

    @bp.post("/tts/stream")
    def tts_stream() -> Response:
        """Speak a text in the voice of a clip, and send each segment as it is spoken."""
        parts = services()
        received = receive(parts, schema)
        form = negotiate_stream(request, received.fields["format"])
        encoder = partial(stream_encoder, form.format)
        writer = EventWriter if form.events else SoundWriter
        return stream_speech(parts, received.order, encoder, writer)

    return bp
