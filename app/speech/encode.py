"""Samples to the bytes of an audio file."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from app.speech.codecs import check_waveform, codec_rate
from app.speech.stream_encode import stream_encoder
from indextts.utils.pcm import pcm16

AudioFormat = Literal["wav", "flac", "mp3", "ogg", "opus"]

# libsndfile takes a block of the Ogg and MP3 encoders from the stack: large ones end the process.
_BLOCK_FRAMES = 1 << 14


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


@dataclass(frozen=True)
class _Recipe:
    """How libsndfile writes a format.

    Attributes:
        container: libsndfile's name of the format.
        subtype: libsndfile's name of the codec.
        mime: media type.
    """

    container: str
    subtype: str
    mime: str

    @property
    def integer(self) -> bool:
        return self.subtype == "PCM_16"


_RECIPES: dict[str, _Recipe] = {
    "wav": _Recipe("WAV", "PCM_16", "audio/wav"),
    "flac": _Recipe("FLAC", "PCM_16", "audio/flac"),
    "mp3": _Recipe("MP3", "MPEG_LAYER_III", "audio/mpeg"),
    "ogg": _Recipe("OGG", "VORBIS", "audio/ogg"),
    "opus": _Recipe("OGG", "OPUS", "audio/ogg; codecs=opus"),
}


def encode_audio(
    waveform: NDArray[np.float32], rate: int, format: AudioFormat | Literal["aac"]
) -> EncodedAudio:
    """Write mono audio as a file, resampled where the codec lacks the rate.

    WAV and FLAC are 16-bit PCM.  AAC stands in ADTS, which cannot hold the exact length
    (`stream_encoder` tells how much is added).

    Args:
        waveform: float32 [n], full scale is 1.0; what lies beyond is clipped.
        rate: sample rate in Hz.
        format: which file.

    Raises:
        ValueError: unknown format, or samples that are not finite float32 [n].
    """
    check_waveform(waveform)
    if format == "aac":
        with closing(stream_encoder("aac", rate)) as encoder:
            data = encoder.start() + encoder.encode(waveform) + encoder.finish()
        return EncodedAudio(data, encoder.mime, encoder.extension)
    recipe = _RECIPES.get(format)
    if recipe is None:
        known = ", ".join((*_RECIPES, "aac"))
        raise ValueError(f"unknown audio format {format!r}: use one of {known}")
    target = codec_rate(format, rate)
    if target != rate:
        waveform = soxr.resample(waveform, rate, target, quality="HQ").astype(np.float32)
    samples = pcm16(waveform) if recipe.integer else np.clip(waveform, -1.0, 1.0)
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer,
        mode="w",
        samplerate=target,
        channels=1,
        format=recipe.container,
        subtype=recipe.subtype,
    ) as file:
        for start in range(0, len(samples), _BLOCK_FRAMES):
            file.write(samples[start : start + _BLOCK_FRAMES])
    return EncodedAudio(buffer.getvalue(), recipe.mime, format)
