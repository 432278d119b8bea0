"""A speech as a streamed answer: what every route shares that sends sound while it is made."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

from flask import Response

from app.places import PlacesFullError
from app.routes.problems import api_error
from app.routes.stream_writers import Writer
from app.services import Services
from app.speech.events import Audible, Failed, Finished, SpeechEvents
from app.speech.order import SpeechOrder
from app.speech.stream_encode import StreamEncoder
from app.web.errors import ApiError
from app.web.hooks import RequestTrace, streamed, trace

MakeEncoder = Callable[[int], StreamEncoder]
MakeWriter = Callable[[StreamEncoder], Writer]
Explain = Callable[[Exception], ApiError]


def stream_speech(
    parts: Services,
    order: SpeechOrder,
    make_encoder: MakeEncoder,
    make_writer: MakeWriter,
    explain: Explain = api_error,
) -> Response:
    """Speak, and send the sound as it is spoken.  The answer begins with the first sound.

    Args:
        parts: the application's.
        order: what to speak.
        make_encoder: an encoder for sound of this rate in Hz.
        make_writer: what puts the encoder's bytes into a body.
        explain: what to tell the client of an error.

    Raises:
        ApiError: what went wrong before the first sound.
    """
    current = trace()
    try:
        place = parts.streams.take(order.caller.name)
    except PlacesFullError as error:
        raise explain(error) from error
    events = parts.speech.speak(order)
    try:
        first = _first_sound(events)
        encoder = make_encoder(first.sample_rate)
    except Exception as error:
        events.close()
        place.leave()
        raise explain(error) from error
    parts.metrics.first_sound(current.age)
    writer = make_writer(encoder)
    body = _body(first, events, writer, current, explain)
    response = Response(body, content_type=writer.content_type)
    response.headers["X-Quality"] = order.quality or parts.settings.quality
    # Nginx would collect what is to go out as it comes.
    response.headers["X-Accel-Buffering"] = "no"
    if writer.file_name:
        response.headers["Content-Disposition"] = f'inline; filename="{writer.file_name}"'
    closers = (body.close, events.close, encoder.close, place.leave)
    return streamed(response, parts.metrics, closers)


def _first_sound(events: SpeechEvents) -> Audible:
    """Wait for the first sound: until it is there, every error gets an answer of its own."""
    first = next(events)
    if isinstance(first, Failed):
        raise first.error
    assert not isinstance(first, Finished), "a speech has at least one segment"
    return first


def _body(
    first: Audible,
    events: SpeechEvents,
    writer: Writer,
    current: RequestTrace,
    explain: Explain,
) -> Generator[bytes, None, None]:
    """The pieces of the body; closing it cancels what is still to be spoken."""
    with closing(events):
        yield current.sent(writer.start() + writer.sound(first))
        for event in events:
            if isinstance(event, Finished):
                current.told.update(event.log_fields())
                yield current.sent(writer.finished(event))
                current.whole = True
            elif isinstance(event, Failed):
                error = explain(event.error)
                current.refusal = error.reason
                yield current.sent(writer.failed(error))
            else:
                yield current.sent(writer.sound(event))
