"""Samples to the bytes of a sound file; for the command line and for the service."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from indextts.errors import OutputError
from indextts.utils.packages import require
from indextts.utils.pcm import pcm16

FileFormat = Literal["wav", "flac", "mp3", "ogg", "opus"]
FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)

# In Hz, ascending. A format that is not here holds any rate.
CODEC_RATES: Mapping[str, tuple[int, ...]] = {
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    # Opus also knows 8, 12 and 16 kHz, which cost quality and save nothing.
    "opus": (24000, 48000),
    "aac": (
        *(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        *(64000, 88200, 96000),
    ),
}

# libsndfile takes a block of the Ogg and MP3 encoders from the stack: large ones end the process.
_BLOCK_FRAMES = 1 << 14


@dataclass(frozen=True)
class _Recipe:
    """libsndfile's names of a format's container and codec."""

    container: str
    subtype: str


# What libsndfile writes; a WAV needs no library.
_RECIPES: Mapping[FileFormat, _Recipe] = {
    "flac": _Recipe("FLAC", "PCM_16"),
    "mp3": _Recipe("MP3", "MPEG_LAYER_III"),
    "ogg": _Recipe("OGG", "VORBIS"),
    "opus": _Recipe("OGG", "OPUS"),
}


def codec_rate(format: str, rate: int) -> int:
    """The lowest rate of the format's codec that loses nothing of `rate`, or its highest one."""
    rates = CODEC_RATES.get(format)
    if rates is None:
        return rate
    return min((r for r in rates if r >= rate), default=rates[-1])


def check_waveform(waveform: NDArray[np.float32]) -> None:
    """Raise ValueError unless these are finite float32 samples of shape [n]."""
    if waveform.ndim != 1 or waveform.dtype != np.float32 or not np.isfinite(waveform).all():
        raise ValueError("the waveform must be finite float32 of shape [n]")


def encode_wav(waveform: NDArray[np.float32], sample_rate: int) -> bytes:
    """A mono 16-bit PCM WAV file as bytes (pipeline.md 4).

    Args:
        waveform: float32 [n], full scale is 1.0; what exceeds it is clipped.
        sample_rate: in Hz.

    Raises:
        NonFiniteAudioError: the waveform holds NaN or infinity.
    """
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm16(waveform).astype("<i2").tobytes())
    return buffer.getvalue()


def encode_file(waveform: NDArray[np.float32], rate: int, format: FileFormat) -> bytes:
    """A mono file, resampled where the codec lacks the rate; WAV and FLAC are 16-bit PCM.

    Args:
        waveform: float32 [n], full scale is 1.0; what lies beyond is clipped.
        rate: in Hz.
        format: which file.

    Raises:
        ValueError: samples that are not finite float32 [n].
        ConfigError: a package that only this format needs is not installed.
    """
    check_waveform(waveform)
    if format == "wav":
        return encode_wav(waveform, rate)
    soundfile = require("soundfile", "soundfile>=0.13,<0.15", f"writing {format}")
    recipe = _RECIPES[format]
    target = codec_rate(format, rate)
    if target != rate:
        soxr = require("soxr", "soxr>=0.5,<2", f"writing {format} at {rate} Hz")
        waveform = soxr.resample(waveform, rate, target, quality="HQ").astype(np.float32)
    whole = recipe.subtype == "PCM_16"
    samples = pcm16(waveform) if whole else np.clip(waveform, -1.0, 1.0)
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
    return buffer.getvalue()


def format_of(path: Path) -> FileFormat:
    """The format that a file's name asks for; a name without an ending is a WAV.

    Raises:
        OutputError: no format has this ending.
    """
    ending = path.suffix.lower().removeprefix(".") or "wav"
    if ending not in FILE_FORMATS:
        known = ", ".join(f".{name}" for name in FILE_FORMATS)
        raise OutputError(f"{path}: cannot write this format; the name must end in one of {known}")
    return ending
