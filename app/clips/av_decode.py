"""What phones and browsers record (M4A, WebM, AAC, AMR), and MP3, by FFmpeg through PyAV.

FFmpeg knows hundreds of formats.  Only the demuxer that the first bytes ask for is opened, only
the decoders listed here run, nothing is read but the bytes at hand, and no more is decoded than is
heard.  MP3 is here as FFmpeg counts its frames, where libsndfile believes a header or guesses.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from app.clips.errors import AudioInputError, Code

# FFmpeg's name of a container -> the codecs that are decoded in it.
CODECS = {
    "mp3": frozenset({"mp3", "mp3float", "mp2", "mp2float", "mp1", "mp1float"}),
    "mov": frozenset({"aac", "alac", "mp3", "mp3float", "opus", "amrnb", "amrwb"}),
    "matroska": frozenset({"opus", "vorbis", "aac", "mp3", "mp3float", "flac"}),
    "aac": frozenset({"aac"}),
    "amr": frozenset({"amrnb", "amrwb"}),
}
# Probing reads no further; a cover before the sound may be a few megabytes, and is skipped.
_OPTIONS = {"probesize": str(1 << 20), "analyzeduration": "2000000"}
# A file of packets without sound ends here.
_MAX_SILENT_PACKETS = 2000


def decode_with_av(
    data: bytes, container: str, max_seconds: float, max_channels: int
) -> tuple[NDArray[np.float32], int]:
    """Decode the first audio track of a file, no more than `max_seconds` of it.

    Args:
        data: the file.
        container: a key of CODECS.
        max_seconds: how much is heard.
        max_channels: how many channels are accepted.

    Returns:
        the mean of the channels, float32 [n], and the sample rate in Hz.

    Raises:
        AudioInputError: damaged, without sound, or of a codec that is not decoded.
    """
    try:
        with av.open(io.BytesIO(data), "r", format=container, options=_OPTIONS) as opened:
            return _decode(opened, container, max_seconds, max_channels)
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise AudioInputError("the audio file is damaged or cut off", Code.UNDECODABLE) from error


def _decode(
    opened: InputContainer, container: str, max_seconds: float, max_channels: int
) -> tuple[NDArray[np.float32], int]:
    if not opened.streams.audio:
        raise AudioInputError("the file holds no sound", Code.TOO_SHORT)
    stream = opened.streams.audio[0]
    # None: FFmpeg itself does not know the codec.
    codec = "" if stream.codec_context is None else stream.codec_context.name
    if codec not in CODECS[container]:
        raise AudioInputError(
            f"sound of this codec ({codec or 'unknown'}) is not supported in this kind of file",
            Code.BAD_FORMAT,
        )
    blocks: list[NDArray[np.float32]] = []
    rate, left = 0, 0
    for frame in _frames(opened, stream):
        if not blocks:
            rate = frame.sample_rate
            left = int(max_seconds * rate)
        if frame.sample_rate != rate:
            raise AudioInputError("the sample rate changes within the file", Code.UNDECODABLE)
        if not 1 <= len(frame.layout.channels) <= max_channels:
            raise AudioInputError(
                f"the audio has more than {max_channels} channels", Code.TOO_MANY_CHANNELS
            )
        block = _samples(frame)[:left]
        blocks.append(block)
        left -= len(block)
        if left <= 0:
            break
    if not blocks:
        raise AudioInputError("the file holds no sound", Code.TOO_SHORT)
    return np.concatenate(blocks), rate


def _frames(opened: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    silent = 0
    for packet in opened.demux(stream):
        frames = packet.decode()
        silent = 0 if frames else silent + 1
        if silent > _MAX_SILENT_PACKETS:
            return
        for frame in frames:
            assert isinstance(frame, AudioFrame)
            yield frame


def _samples(frame: AudioFrame) -> NDArray[np.float32]:
    """The mean of the channels, float32 [n]."""
    # Only the number format changes: with the frame's own layout and rate nothing is mixed.
    resampler = AudioResampler(format="fltp", layout=frame.layout, rate=frame.sample_rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    planes = np.concatenate([part.to_ndarray() for part in parts], axis=1)  # [channels, n]
    return planes.mean(axis=0, dtype=np.float32)
