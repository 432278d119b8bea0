"""Samples to the bytes of an audio file."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from app.speech.stream_encode import check_rate, stream_encoder
from indextts.utils.encode import FILE_FORMATS, FileFormat, check_waveform, encode_file

AudioFormat = FileFormat

_MIMES: dict[FileFormat, str] = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg; codecs=opus",
}


@dataclass(frozen=True)
class EncodedAudio:
    """A file in memory.

    Attributes:
        data: its bytes.
        mime: its media type.
        extension: of its name, without a dot.
    """

    data: bytes = field(repr=False)
    mime: str
    extension: str


def encode_audio(
    waveform: NDArray[np.float32],
    rate: int,
    format: AudioFormat | Literal["aac", "pcm"],
    *,
    target_rate: int | None = None,
) -> EncodedAudio:
    """Write mono audio as a file, resampled where that is asked for or the codec lacks the rate.

    WAV and FLAC are 16-bit PCM; "pcm" is that without a header.  AAC stands in ADTS, which cannot
    hold the exact length (`stream_encoder` tells how much is added).

    Args:
        waveform: float32 [n], full scale is 1.0; what lies beyond is clipped.
        rate: sample rate in Hz.
        format: which file.
        target_rate: of the file, in Hz; None: the lowest that the codec has and that loses nothing.

    Raises:
        ValueError: unknown format, a target rate that the codec does not have, or samples that are
            not finite float32 [n].
    """
    if format in ("aac", "pcm"):
        with closing(stream_encoder(format, rate, target_rate=target_rate)) as encoder:
            data = encoder.start() + encoder.encode(waveform) + encoder.finish()
        return EncodedAudio(data, encoder.mime, encoder.extension)
    if format not in FILE_FORMATS:
        known = ", ".join((*FILE_FORMATS, "aac", "pcm"))
        raise ValueError(f"unknown audio format {format!r}: use one of {known}")
    if target_rate is not None and target_rate != rate:
        check_rate(format, target_rate)
        check_waveform(waveform)
        waveform = soxr.resample(waveform, rate, target_rate, quality="HQ").astype(np.float32)
        rate = target_rate
    return EncodedAudio(encode_file(waveform, rate, format), _MIMES[format], format)
