"""Bytes of an audio file to samples, without trusting the file."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

from app.clips.av_decode import decode_with_av
from app.clips.containers import FORMATS, SUPPORTED, av_container
from app.clips.errors import AudioInputError, Code
from app.clips.limits import ClipLimits, require_channels, too_long
from indextts.clip_bounds import (
    DECODED_SECONDS,
    MAX_RATE,
    MIN_RATE,
    MIN_SECONDS,
    SILENCE_PEAK,
    USED_SECONDS,
)
from indextts.request import ReferenceAudio

_BLOCK_SAMPLES = 1 << 18


def decode_audio(data: bytes, limits: ClipLimits) -> ReferenceAudio:
    """Decode a file of one of the supported formats, told apart by content.

    Only what the engine hears is decoded: the first 15 s and a margin.  A file that ends early is
    decoded as far as it goes where its format allows that.

    Args:
        data: the file.
        limits: what is refused.

    Returns:
        the mean of the channels, float32 [n], within [-1, 1] and finite, at the file's own rate.

    Raises:
        AudioInputError: too large, no supported format, damaged, or outside the bounds.
    """
    if not data:
        raise AudioInputError("the audio is empty", Code.EMPTY)
    require_size(data, limits.max_bytes)
    container = av_container(data)
    if container is None:
        samples, rate = _decode_with_sndfile(data, limits)
    else:
        samples, rate = decode_with_av(data, container, DECODED_SECONDS, limits)
        _check_rate(rate)
    _check_samples(samples, rate)
    return ReferenceAudio(np.clip(samples, -1.0, 1.0), rate)


def require_size(data: bytes, max_bytes: int) -> None:
    """Raises AudioInputError for a file that is too large."""
    if len(data) > max_bytes:
        raise AudioInputError(f"the audio is larger than {max_bytes} bytes", Code.TOO_LARGE)


def _decode_with_sndfile(data: bytes, limits: ClipLimits) -> tuple[NDArray[np.float32], int]:
    try:
        with _SequentialFile(io.BytesIO(data)) as file:
            rate = int(file.samplerate)
            _check_header(file, limits)
            return _read(file, int(DECODED_SECONDS * rate)), rate
    except soundfile.SoundFileError as error:
        raise AudioInputError("the audio file is damaged or cut off", Code.UNDECODABLE) from error


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file that is only read forwards.

    soundfile seeks after every read of a file that can seek; FLAC of unknown length cannot do
    it, and in a damaged file the failed seek hides the true error.
    """

    def seekable(self) -> bool:
        return False


def _check_header(file: soundfile.SoundFile, limits: ClipLimits) -> None:
    """Check what the file says about itself."""
    if file.format not in FORMATS:
        raise AudioInputError(
            f"the audio format is not supported; supported are {SUPPORTED}", Code.BAD_FORMAT
        )
    require_channels(int(file.channels), limits)
    _check_rate(int(file.samplerate))
    # FLAC that was written to a pipe does not know its length and says 2**63 - 1.
    unknown = file.frames == np.iinfo(np.int64).max
    if not unknown and file.frames > limits.longest * file.samplerate:
        raise too_long(limits)


def _check_rate(rate: int) -> None:
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioInputError(f"the sample rate must be {MIN_RATE} to {MAX_RATE} Hz", Code.BAD_RATE)


def _read(file: soundfile.SoundFile, max_frames: int) -> NDArray[np.float32]:
    """The mean of the channels, float32 [n]; the header's count of frames is not believed."""
    step = max(1, _BLOCK_SAMPLES // int(file.channels))
    blocks: list[NDArray[np.float32]] = []
    left = max_frames
    while left > 0:
        block: NDArray[np.float32] = file.read(min(step, left), dtype="float32", always_2d=True)
        if not len(block):
            break
        left -= len(block)
        blocks.append(block.mean(axis=1))
    if not blocks:
        raise AudioInputError("the audio file holds no sound", Code.TOO_SHORT)
    return np.concatenate(blocks)


def _check_samples(samples: NDArray[np.float32], rate: int) -> None:
    if len(samples) < MIN_SECONDS * rate:
        raise AudioInputError(f"the audio is shorter than {MIN_SECONDS:g} seconds", Code.TOO_SHORT)
    lowest, highest = float(samples.min()), float(samples.max())
    if not np.isfinite((lowest, highest)).all():  # min and max hand NaN on
        raise AudioInputError("the audio holds NaN or infinite samples", Code.NOT_FINITE)
    if max(-lowest, highest) < SILENCE_PEAK:
        raise AudioInputError(
            f"the audio is silent in its first {USED_SECONDS:g} seconds", Code.SILENT
        )
