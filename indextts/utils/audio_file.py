"""Sound files: reading reference clips of untrusted origin, writing the result."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from indextts.clip_bounds import DECODED_SECONDS
from indextts.errors import AudioError
from indextts.request import ReferenceAudio
from indextts.utils.encode import encode_wav
from indextts.utils.output_file import check_writable, write_output
from indextts.utils.packages import require
from indextts.utils.resample import check_rate

if TYPE_CHECKING:
    import soundfile

MAX_CHANNELS = 16
BLOCK_FRAMES = 65536


def read_audio(
    source: Path | str | bytes, *, max_seconds: float = DECODED_SECONDS
) -> ReferenceAudio:
    """Decode a clip: anything libsndfile knows (WAV, FLAC, OGG, MP3, AIFF, ...).

    The format is recognised by the content; the name of a file means nothing.

    Args:
        source: a path, or the content of a file.
        max_seconds: decode no more than this.  The default loses nothing that is used.

    Returns:
        the clip mixed to mono (the mean of the channels), float32 [n], at its own sample rate.

    Raises:
        AudioError: not readable, not audio, empty, damaged, not finite, or of a layout (more
            than 16 channels, an absurd sample rate) that no voice recording has.
        ConfigError: soundfile is not installed; writing does without it.
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), max_seconds)
    if not isinstance(source, str | os.PathLike):
        raise AudioError(
            f"a clip is read from a path or from the bytes of a file, got a "
            f"{type(source).__name__}; ReferenceAudio takes samples"
        )
    try:
        with Path(source).open("rb") as file:
            # An open descriptor, as soundfile draws conclusions from the ending of a name.
            return _decode(file.fileno(), max_seconds)
    except OSError as error:
        raise AudioError(f"{source}: cannot be opened: {error.strerror or error}") from error


def write_wav(path: Path | str, waveform: NDArray[np.float32], sample_rate: int) -> None:
    """Write a mono 16-bit PCM WAV file; parent folders are made, an existing file is replaced.

    Args:
        path: where to.
        waveform: float32 [n], full scale is 1.0; what exceeds it is clipped.
        sample_rate: in Hz.

    Raises:
        NonFiniteAudioError: the waveform holds NaN or infinity.
        OutputError: the path cannot be written; an existing file stays as it was.
    """
    content = encode_wav(waveform, sample_rate)
    target = Path(path)
    check_writable(target)
    write_output(target, content)


def _decode(file: BinaryIO | int, max_seconds: float) -> ReferenceAudio:
    sf = require("soundfile", "soundfile>=0.13,<0.15", "reading sound files")
    try:
        with sf.SoundFile(file, closefd=False) as clip:
            check_rate(clip.samplerate)
            if clip.channels > MAX_CHANNELS:
                raise AudioError(
                    f"the clip has {clip.channels} channels; at most {MAX_CHANNELS} are accepted"
                )
            samples = _read_mono(clip, int(max_seconds * clip.samplerate))
            rate = int(clip.samplerate)
    # soundfile passes some damage on as a plain RuntimeError, of which its own errors derive.
    except RuntimeError as error:
        reason = getattr(error, "error_string", None) or "unknown"
        raise AudioError(
            f"the clip cannot be decoded as audio ({reason}); send WAV, FLAC, OGG or MP3"
        ) from error
    if not len(samples):
        raise AudioError("the clip holds no samples")
    return ReferenceAudio(samples, rate)


def _read_mono(clip: soundfile.SoundFile, limit: int) -> NDArray[np.float32]:
    """Up to `limit` frames, mixed block by block, so that memory does not grow with channels.

    The length in the header is not relied on: streams have none, and truncated files a wrong one.
    """
    blocks: list[NDArray[np.float32]] = []
    left = limit
    while left > 0:
        block = clip.read(min(left, BLOCK_FRAMES), dtype="float32", always_2d=True)  # [n, channels]
        blocks.append(block.mean(axis=1, dtype=np.float32))
        left -= len(block)
        if len(block) < BLOCK_FRAMES:
            break
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
