"""``POST /tts``: the whole speech in one answer."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from app.routes.answers import TTSResponse, WholeAnswer
from app.routes.file_answer import file_response
from app.routes.negotiation import AnswerForm, negotiate
from app.routes.problems import api_error
from app.routes.receive import Received, receive
from app.routes.schemas import TTSRequest
from app.services import services
from app.speech.encode import EncodedAudio, encode_audio
from app.speech.events import Speech, collect
from app.web.hooks import trace
from indextts.subtitles import subtitles


def make_tts_blueprint(schema: TTSRequest) -> Blueprint:
    """The route, for bodies that `schema` validates."""
    bp = Blueprint("tts", __name__)

    @bp.post("/tts")
    def tts() -> Response:
        """Speak a text in the voice of a clip."""
        parts = services()
        received = receive(parts, schema)
        form = negotiate(request, received.fields["format"])
        try:
            speech = collect(parts.speech.speak(received.order))
            finished = speech.finished
            audio = encode_audio(speech.samples, finished.sample_rate, form.format)
        except Exception as error:
            raise api_error(error) from error
        trace().told.update(finished.log_fields())
        if form.raw:
            return file_response(audio, finished)
        hidden = () if received.fields["subtitles"] else ("subtitles",)
        return jsonify(TTSResponse(exclude=hidden).dump(_answer(received, form, speech, audio)))

    return bp


def _answer(
    received: Received, form: AnswerForm, speech: Speech, audio: EncodedAudio
) -> WholeAnswer:
    finished = speech.finished
    wanted = received.fields["subtitles"]
    return WholeAnswer(
        audio_hex=audio.data.hex(),
        audio_length=finished.audio_seconds,
        inference_time=finished.times.inference,
        rtf=finished.rtf,
        text=received.order.text,
        queue_time=finished.times.queue,
        fetch_time=finished.times.fetch,
        seed=finished.seed,
        quality=finished.quality,
        sample_rate=finished.sample_rate,
        format=form.format,
        warnings=finished.warnings,
        segments=speech.segments,
        subtitles=None if wanted is None else subtitles(speech.segments, wanted),
    )
