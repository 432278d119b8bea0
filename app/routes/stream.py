"""``POST /tts/stream``: the sound while it is being made, as bytes or as server-sent events."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from flask import Blueprint, Response, request

from app.places import PlacesFullError
from app.routes.negotiation import EVENT_STREAM, negotiate_stream
from app.routes.problems import api_error
from app.routes.receive import receive
from app.routes.schemas import StreamRequest
from app.routes.stream_writers import EventWriter, SoundWriter, Writer
from app.services import services
from app.speech.events import Failed, Finished, SegmentReady, SpeechEvents
from app.speech.stream_encode import stream_encoder
from app.web.hooks import RequestTrace, streamed, trace


def make_stream_blueprint(schema: StreamRequest) -> Blueprint:
    """The route, for bodies that `schema` validates."""
    bp = Blueprint("stream", __name__)

    @bp.post("/tts/stream")
    def tts_stream() -> Response:
        """Speak a text in the voice of a clip, and send each segment as it is spoken."""
        parts = services()
        received = receive(parts, schema)
        form = negotiate_stream(request, received.fields["format"])
        current = trace()
        try:
            place = parts.streams.take(received.order.caller.name)
        except PlacesFullError as error:
            raise api_error(error) from error
        events = parts.speech.speak(received.order)
        try:
            first = first_segment(events)
            encoder = stream_encoder(form.format, first.sample_rate)
        except Exception as error:
            events.close()
            place.leave()
            raise api_error(error) from error
        parts.metrics.first_sound(current.age)
        writer: Writer = EventWriter(encoder) if form.events else SoundWriter(encoder)
        body = stream_body(first, events, writer, current)
        response = Response(body, content_type=EVENT_STREAM if form.events else encoder.mime)
        # Nginx would collect what is to go out as it comes.
        response.headers["X-Accel-Buffering"] = "no"
        if not form.events:
            name = f"speech.{encoder.extension}"
            response.headers["Content-Disposition"] = f'inline; filename="{name}"'
        closers = (body.close, events.close, encoder.close, place.leave)
        return streamed(response, parts.metrics, closers)

    return bp


def first_segment(events: SpeechEvents) -> SegmentReady:
    """Wait for the first sound: until it is there, every error gets an answer of its own."""
    first = next(events)
    if isinstance(first, Failed):
        raise first.error
    assert isinstance(first, SegmentReady), "a speech has at least one segment"
    return first


def stream_body(
    first: SegmentReady, events: SpeechEvents, writer: Writer, current: RequestTrace
) -> Generator[bytes, None, None]:
    """The pieces of the body; closing it cancels what is still to be spoken."""
    with closing(events):
        yield current.sent(writer.start() + writer.segment(first))
        for event in events:
            if isinstance(event, SegmentReady):
                yield current.sent(writer.segment(event))
            elif isinstance(event, Finished):
                current.times.update(event.log_fields())
                yield current.sent(writer.finished(event))
                current.whole = True
            else:
                error = api_error(event.error)
                current.refusal = error.reason
                yield current.sent(writer.failed(error))
