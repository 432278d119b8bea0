"""Bytes of an audio file to samples, without trusting the file."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.clips.containers import FORMATS, SUPPORTED, check_container
from app.clips.errors import AudioInputError, Code
from indextts.request import ReferenceAudio

_BLOCK_SAMPLES = 1 << 18
# Three steps of 16-bit audio: dither and nothing else.
_SILENCE_PEAK = 1e-4


@dataclass(frozen=True)
class AudioLimits:
    """What a clip may be; everything is checked before memory is spent on it.

    Attributes:
        max_bytes: of the file.
        min_seconds: shortest clip.
        max_seconds: longest clip.
        max_channels: number of channels.
        min_rate: lowest sample rate in Hz.
        max_rate: highest sample rate in Hz.
        max_samples: bound on frames * channels; decoding needs about 8 bytes for each.
    """

    max_bytes: int = 20 << 20
    min_seconds: float = 0.1
    max_seconds: float = 60.0
    max_channels: int = 8
    min_rate: int = 8000
    max_rate: int = 192000
    max_samples: int = 12_000_000

    def __post_init__(self) -> None:
        if not 0 <= self.min_seconds < self.max_seconds:
            raise ValueError("min_seconds must be below max_seconds and not negative")
        if not 0 < self.min_rate <= self.max_rate:
            raise ValueError("min_rate must be above 0 and at most max_rate")
        for name in ("max_bytes", "max_channels", "max_samples"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")


def decode_audio(data: bytes, limits: AudioLimits) -> ReferenceAudio:
    """Decode a WAV, FLAC, MP3, OGG or AIFF file, told apart by content.

    A file that ends early is decoded as far as it goes where its format allows that.

    Args:
        data: the file.
        limits: what is refused.

    Returns:
        float32 [n] for one channel, [channels, n] for several; within [-1, 1] and finite.

    Raises:
        AudioInputError: too large, no supported format, damaged, or outside the limits.
    """
    if not data:
        raise AudioInputError("the audio is empty", Code.EMPTY)
    if len(data) > limits.max_bytes:
        raise AudioInputError(f"the audio is larger than {limits.max_bytes} bytes", Code.TOO_LARGE)
    check_container(data)
    try:
        with _SequentialFile(io.BytesIO(data)) as file:
            rate = int(file.samplerate)
            max_frames = _check_header(file, limits)
            samples = _read(file, max_frames, limits)
    except soundfile.SoundFileError as error:
        raise AudioInputError("the audio file is damaged or cut off", Code.UNDECODABLE) from error
    _check_samples(samples, rate, limits)
    np.clip(samples, -1.0, 1.0, out=samples)
    return ReferenceAudio(samples[0] if len(samples) == 1 else samples, rate)


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file that is only read forwards.

    soundfile seeks after every read of a file that can seek; FLAC of unknown length cannot do
    it, and in a damaged file the failed seek hides the true error.
    """

    def seekable(self) -> bool:
        return False


def _check_header(file: soundfile.SoundFile, limits: AudioLimits) -> int:
    """Check what the file says about itself; returns how many frames may be read."""
    if file.format not in FORMATS:
        raise AudioInputError(
            f"the audio format is not supported; supported are {SUPPORTED}", Code.BAD_FORMAT
        )
    if not 1 <= file.channels <= limits.max_channels:
        raise AudioInputError(
            f"the audio has more than {limits.max_channels} channels", Code.TOO_MANY_CHANNELS
        )
    if not limits.min_rate <= file.samplerate <= limits.max_rate:
        raise AudioInputError(
            f"the sample rate must be {limits.min_rate} to {limits.max_rate} Hz", Code.BAD_RATE
        )
    max_frames = min(
        int(limits.max_seconds * file.samplerate), limits.max_samples // int(file.channels)
    )
    # FLAC that was written to a pipe does not know its length and says 2**63 - 1.
    if max_frames < file.frames < np.iinfo(np.int64).max:
        raise _too_long(limits)
    return max_frames


def _read(file: soundfile.SoundFile, max_frames: int, limits: AudioLimits) -> NDArray[np.float32]:
    """All frames as [channels, n]; the header's count is not believed."""
    step = max(1, _BLOCK_SAMPLES // int(file.channels))
    blocks: list[NDArray[np.float32]] = []
    total = 0
    while True:
        block: NDArray[np.float32] = file.read(step, dtype="float32", always_2d=True)
        if not len(block):
            break
        total += len(block)
        if total > max_frames:
            raise _too_long(limits)
        blocks.append(block.T)
    if not blocks:
        raise AudioInputError("the audio file holds no sound", Code.TOO_SHORT)
    samples = np.empty((int(file.channels), total), np.float32)
    return np.concatenate(blocks, axis=1, out=samples)  # of its own, it would be column by column


def _check_samples(samples: NDArray[np.float32], rate: int, limits: AudioLimits) -> None:
    if samples.shape[1] < limits.min_seconds * rate:
        raise AudioInputError(
            f"the audio is shorter than {limits.min_seconds:g} seconds", Code.TOO_SHORT
        )
    lowest, highest = float(samples.min()), float(samples.max())
    if not np.isfinite((lowest, highest)).all():  # min and max hand NaN on
        raise AudioInputError("the audio holds NaN or infinite samples", Code.NOT_FINITE)
    if max(-lowest, highest) < _SILENCE_PEAK:
        raise AudioInputError("the audio is silent", Code.SILENT)


def _too_long(limits: AudioLimits) -> AudioInputError:
    return AudioInputError(
        f"the audio is longer than {limits.max_seconds:g} seconds or has too many samples "
        f"(more than {limits.max_samples})",
        Code.TOO_LONG,
    )
