"""A whole speech as a file: its bytes are the body, what is to be said of it the headers."""

from __future__ import annotations

from flask import Response

from app.speech.encode import EncodedAudio
from app.speech.events import Finished


def file_response(audio: EncodedAudio, finished: Finished) -> Response:
    """The answer that is the file itself."""
    response = Response(audio.data, content_type=audio.mime)
    headers = response.headers
    headers["Content-Disposition"] = f'inline; filename="speech.{audio.extension}"'
    headers["X-Audio-Length"] = str(finished.audio_seconds)
    headers["X-Inference-Time"] = str(finished.times.inference)
    headers["X-Queue-Time"] = str(finished.times.queue)
    headers["X-Fetch-Time"] = str(finished.times.fetch)
    headers["X-RTF"] = str(finished.rtf)
    headers["X-Seed"] = str(finished.seed)
    headers["X-Quality"] = finished.quality
    return response
