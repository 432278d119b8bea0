"""``POST /tts``."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, request

from app.metrics import stage_seconds
from app.request_id import current_request_id
from app.routes.body import Uploads, read_body
from app.routes.negotiation import AnswerForm, negotiate
from app.runner.engine import (
    AudioError,
    DeadlineExceededError,
    EmotionTextUnavailableError,
    ReferenceAudio,
    RequestError,
    SamplingChanges,
    SynthesisRequest,
    TextError,
)
from app.runner.job import (
    ClientGoneError,
    NotReadyError,
    Outcome,
    QueueFullError,
    QueueTimeoutError,
)
from app.services import Services, services
from app.speech.encode import EncodedAudio, encode_audio
from app.web.client import client_gone
from app.web.errors import (
    ApiError,
    client_closed,
    inference_failed,
    invalid_audio,
    model_not_loaded,
    too_busy,
    validation_failed,
)
from app.web.hooks import trace

log = logging.getLogger(__name__)
bp = Blueprint("tts", __name__)

EMO_TEXT_UNAVAILABLE = (
    "This server has no model for emotion from text; use emo_vector or emo_audio."
)


@dataclass(frozen=True)
class Finished:
    """Everything that the answer is made of."""

    text: str
    outcome: Outcome
    fetch_seconds: float
    audio: EncodedAudio
    form: AnswerForm

    @property
    def rtf(self) -> float:
        length = self.outcome.synthesis.audio_seconds
        return self.outcome.inference_seconds / length if length > 0 else 0.0


@bp.post("/tts")
def tts() -> Response:
    """Speak a text in the voice of a clip."""
    parts = services()
    try:
        finished = _serve(parts)
    except ApiError as error:
        trace().refusal = error.reason
        raise
    return _answer(finished)


def _serve(parts: Services) -> Finished:
    deadline = time.monotonic() + parts.settings.request_seconds
    caller = parts.authenticator.identify(request)
    _respect_rate_limit(parts, caller)
    fields, uploads = read_body(request, parts.tts_schema)
    form = negotiate(request, fields["format"])
    try:
        # The seat is taken before the download, so that an overload is refused at once.
        with parts.runner.seat():
            if fields["emo_text"] is not None and not parts.runner.status().supports_emotion_text:
                raise EmotionTextUnavailableError
            started = time.perf_counter()
            command = _command(parts, fields, uploads, deadline)
            fetch_seconds = time.perf_counter() - started
            outcome = parts.runner.run(
                command,
                deadline=deadline,
                client_gone=client_gone(request.environ.get("gunicorn.socket")),
                request_id=current_request_id(),
            )
            synthesis = outcome.synthesis
            audio = encode_audio(synthesis.waveform, synthesis.sample_rate, form.format)
    except Exception as error:
        raise _translate(error) from error
    _record(parts, outcome, fetch_seconds)
    return Finished(fields["text"], outcome, fetch_seconds, audio, form)


def _respect_rate_limit(parts: Services, caller: str) -> None:
    if parts.rate_limiter is None:
        return
    wait = parts.rate_limiter.wait_seconds(caller)
    if wait > 0:
        raise too_busy("rate_limited", "Too many requests", max(1, math.ceil(wait)))


def _command(
    parts: Services, fields: dict[str, Any], uploads: Uploads, deadline: float
) -> SynthesisRequest:
    def clip(name: str) -> ReferenceAudio:
        return parts.references.load(name, uploads.get(name, fields[name]), deadline)

    speaker = clip("spk_audio")
    vector = fields["emo_vector"]
    return SynthesisRequest(
        text=fields["text"],
        speaker=speaker,
        emotion=clip("emo_audio") if fields["emo_audio"] is not None else None,
        emo_alpha=fields["emo_alpha"],
        emo_vector=tuple(vector) if vector is not None else None,
        emo_text=fields["emo_text"],
        seed=fields["seed"],
        interval_silence=fields["interval_silence"],
        max_text_tokens_per_segment=fields["max_text_tokens_per_segment"],
        sampling=SamplingChanges(
            temperature=fields["temperature"],
            top_p=fields["top_p"],
            top_k=fields["top_k"],
            num_beams=fields["num_beams"],
            repetition_penalty=fields["repetition_penalty"],
            max_mel_tokens=fields["max_mel_tokens"],
        ),
    )


def _translate(error: Exception) -> ApiError:
    """The answer to whatever went wrong between the seat and the result."""
    match error:
        case ApiError():
            return error
        case NotReadyError():
            return model_not_loaded(error.status, error.retry_after)
        case QueueTimeoutError():
            detail = "The server is too busy to answer in time"
            return too_busy("queue_timeout", detail, error.retry_after)
        case QueueFullError():
            return too_busy("queue_full", "The server is busy", error.retry_after)
        case ClientGoneError():
            return client_closed()
        case DeadlineExceededError():
            return inference_failed("deadline_exceeded")
        # These three speak of the caller's own input only.
        case TextError():
            return validation_failed({"text": [str(error)]}, "text")
        case RequestError():
            return validation_failed({"_schema": [str(error)]})
        case AudioError():
            field = "emo_audio" if error.clip == "emotion" else "spk_audio"
            return invalid_audio(field, str(error))
        case EmotionTextUnavailableError():
            return validation_failed({"emo_text": [EMO_TEXT_UNAVAILABLE]}, "emo_text")
    log.error("The synthesis failed", exc_info=error)
    return inference_failed()


def _record(parts: Services, outcome: Outcome, fetch_seconds: float) -> None:
    parts.metrics.synthesis(outcome, fetch_seconds)
    trace().times.update(
        queue_time=outcome.queue_seconds,
        fetch_time=fetch_seconds,
        inference_time=outcome.inference_seconds,
        audio_length=outcome.synthesis.audio_seconds,
        **{f"{name}_time": value for name, value in stage_seconds(outcome.synthesis).items()},
    )


def _answer(done: Finished) -> Response:
    synthesis = done.outcome.synthesis
    if done.form.raw:
        response = Response(done.audio.data, mimetype=done.audio.mime)
        response.headers["Content-Type"] = done.audio.mime
        response.headers["Content-Disposition"] = (
            f'inline; filename="speech.{done.audio.extension}"'
        )
        response.headers["X-Audio-Length"] = str(synthesis.audio_seconds)
        response.headers["X-Inference-Time"] = str(done.outcome.inference_seconds)
        response.headers["X-Queue-Time"] = str(done.outcome.queue_seconds)
        response.headers["X-Fetch-Time"] = str(done.fetch_seconds)
        response.headers["X-RTF"] = str(done.rtf)
        response.headers["X-Seed"] = str(synthesis.seed)
        return response
    return jsonify(
        audio_hex=done.audio.data.hex(),
        audio_length=synthesis.audio_seconds,
        inference_time=done.outcome.inference_seconds,
        rtf=done.rtf,
        text=done.text,
        queue_time=done.outcome.queue_seconds,
        fetch_time=done.fetch_seconds,
        seed=synthesis.seed,
        sample_rate=synthesis.sample_rate,
        format=done.form.format,
        warnings=list(synthesis.warnings),
    )
