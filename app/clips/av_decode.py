"""What phones and browsers record (M4A, WebM, AAC, AMR), and MP3, by FFmpeg through PyAV.

FFmpeg knows hundreds of formats.  Only the demuxer that the first bytes ask for is opened, only
the decoders listed here run, nothing is read but the bytes at hand, and no more is decoded than is
heard; behind that, packets are only counted, as far as the longest clip goes.  MP3 is here as
FFmpeg counts its frames, where libsndfile believes a header or guesses.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from app.clips.errors import AudioInputError, Code
from app.clips.limits import ClipLimits, require_channels, too_long

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
# Enough for MP3 of layer I at 48 kHz, or for AAC beside a video; what is cut into thinner slices is
# not counted to its end, as a hostile file has millions that last no time.
_PACKETS_PER_SECOND = 125


def decode_with_av(
    data: bytes, container: str, max_seconds: float, limits: ClipLimits
) -> tuple[NDArray[np.float32], int]:
    """Decode the first audio track of a file, no more than `max_seconds` of it.

    Args:
        data: the file.
        container: a key of CODECS.
        max_seconds: how much is heard.
        limits: what is refused.

    Returns:
        the mean of the channels, float32 [n], and the sample rate in Hz.

    Raises:
        AudioInputError: damaged, without sound, beyond the limits, or of a codec that is not
            decoded.
    """
    try:
        with av.open(io.BytesIO(data), "r", format=container, options=_OPTIONS) as opened:
            return _decode(opened, container, max_seconds, limits)
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise AudioInputError("the audio file is damaged or cut off", Code.UNDECODABLE) from error


def _decode(
    opened: InputContainer, container: str, max_seconds: float, limits: ClipLimits
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
    track = _Track(opened, stream)
    for frame in track.frames():
        if not blocks:
            rate = frame.sample_rate
            left = int(max_seconds * rate)
        if frame.sample_rate != rate:
            raise AudioInputError("the sample rate changes within the file", Code.UNDECODABLE)
        require_channels(len(frame.layout.channels), limits)
        block = _samples(frame)[:left]
        blocks.append(block)
        left -= len(block)
        if left <= 0:
            break
    if not blocks:
        raise AudioInputError("the file holds no sound", Code.TOO_SHORT)
    if track.goes_beyond(limits.longest):
        raise too_long(limits)
    return np.concatenate(blocks), rate


class _Track:
    """The packets of a sound, and how far they reach: headers do not always know it, or lie."""

    def __init__(self, opened: InputContainer, stream: AudioStream) -> None:
        # Of all streams: what is skipped unseen could not be bounded.
        self._packets = opened.demux()
        self._index = stream.index
        self._first: int | None = None
        self._seconds = 0.0

    def frames(self) -> Iterator[AudioFrame]:
        """The sound, until the file ends or packets go on without any."""
        silent = 0
        for packet in self._packets:
            frames = packet.decode() if self._note(packet) else []
            silent = 0 if frames else silent + 1
            if silent > _MAX_SILENT_PACKETS:
                return
            for frame in frames:
                assert isinstance(frame, AudioFrame)
                yield frame

    def goes_beyond(self, seconds: float) -> bool:
        """Whether there are packets for more than `seconds`; none is decoded for it."""
        try:
            for packet in islice(self._packets, int(_PACKETS_PER_SECOND * seconds)):
                if self._seconds > seconds:
                    break
                self._note(packet)
        except av.FFmpegError:
            pass  # Damage behind what is heard does not matter; the sound ends there.
        return self._seconds > seconds

    def _note(self, packet: Packet[Stream]) -> bool:
        """Count a packet; whether it is one of the sound."""
        if packet.stream_index != self._index:
            return False
        if packet.pts is None or not packet.time_base:
            return True  # the last one, which is empty, has no time
        if self._first is None:
            self._first = packet.pts
        end = packet.pts + (packet.duration or 0) - self._first
        self._seconds = max(self._seconds, float(end * packet.time_base))
        return True


def _samples(frame: AudioFrame) -> NDArray[np.float32]:
    """The mean of the channels, float32 [n]."""
    # Only the number format changes: with the frame's own layout and rate nothing is mixed.
    resampler = AudioResampler(format="fltp", layout=frame.layout, rate=frame.sample_rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    planes = np.concatenate([part.to_ndarray() for part in parts], axis=1)  # [channels, n]
    return planes.mean(axis=0, dtype=np.float32)
