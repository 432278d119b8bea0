"""Samples to the bytes of an audio file, piece by piece, while the sound is still being made."""

from __future__ import annotations

from typing import Literal, Protocol, assert_never, get_args

import numpy as np
import soxr
from numpy.typing import NDArray

from app.speech.codec_writers import (
    AvRecipe,
    AvWriter,
    CodecWriter,
    PcmWriter,
    VorbisWriter,
)
from indextts.utils.encode import CODEC_RATES, check_waveform, codec_rate
from indextts.utils.pcm import wav_header

StreamFormat = Literal["wav", "pcm", "mp3", "ogg", "opus", "flac", "aac"]
# The lowest and the highest rate that a client may ask a file to have, in Hz.
FILE_RATES = (8000, 48000)


class StreamEncoder(Protocol):
    """A file in the making: `start`, any number of `encode`, then `finish`.  For one thread.

    Joined, the bytes are the file, and they do not depend on how the samples were cut into pieces.

    Attributes:
        mime: the whole Content-Type.
        extension: of a file's name, without a dot.
    """

    mime: str
    extension: str

    def start(self) -> bytes:
        """The header; empty where the format has none.

        Raises:
            RuntimeError: it was started or closed before.
        """
        ...

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """What the codec can give so far.

        Args:
            samples: mono float32 [n], n may be 0; full scale is 1.0, what lies beyond is clipped.

        Raises:
            ValueError: the samples are not finite float32 [n].
            RuntimeError: the encoder was not started, or is spent.
        """
        ...

    def finish(self) -> bytes:
        """The rest: all that resampler and codec still hold.  Afterwards the encoder is spent.

        Raises:
            RuntimeError: the encoder was not started, or is spent.
        """
        ...

    def close(self) -> None:
        """Free the codec when the stream is broken off.  Harmless twice and after `finish`."""
        ...


def stream_encoder(
    format: StreamFormat, rate: int, *, target_rate: int | None = None
) -> StreamEncoder:
    """An encoder of mono sound.

    What a reader of the file gets for n samples (after resampling), and what `encode` keeps back:

    ========= ============================================ ======================================
    format    decoded length                               kept back, at most
    ========= ============================================ ======================================
    wav, pcm  n                                            nothing
    flac      n; equal to the samples of WAV               1,152 samples
    opus      n                                            50 ms
    ogg       n                                            a page: 4 KB, about a second of speech
    mp3       n + 1,152, up to a whole frame (576 samples  1,800 samples up to 24 kHz, 4,700
              up to 24 kHz, 1,152 above)                   above
    aac       n + 1,024, up to a whole frame (1,024        2,048 samples
              samples)
    ========= ============================================ ======================================

    In MP3 the sound begins after 1,105 samples, in AAC after 1,024: the codec's delay, which only
    a header that also tells the length could name.  FLAC leaves its length open, which libsndfile
    cannot read.  Resampling keeps back another 45 ms and makes n * target_rate / rate samples.

    Args:
        format: which file.
        rate: of the samples, in Hz.
        target_rate: of the file, in Hz; None: the lowest that the codec has and that loses nothing.

    Raises:
        ValueError: unknown format, or a target rate that the codec does not have.
    """
    if format not in get_args(StreamFormat):
        raise ValueError(
            f"unknown audio format {format!r}: use one of {', '.join(get_args(StreamFormat))}"
        )
    file_rate = codec_rate(format, rate) if target_rate is None else target_rate
    check_rate(format, file_rate)
    return _ResamplingEncoder(
        _writer(format, file_rate), _mime(format, file_rate), format, rate, file_rate
    )


def check_rate(format: StreamFormat, rate: int) -> None:
    """Raise ValueError where a format's codec has no such rate."""
    rates = CODEC_RATES.get(format)
    if rates is not None and rate not in rates:
        raise ValueError(f"{format} holds no {rate} Hz: use one of {rates}")


def file_rates(format: StreamFormat) -> tuple[int, ...] | None:
    """The rates within FILE_RATES that a format's codec has; None: it holds any."""
    rates = CODEC_RATES.get(format)
    return None if rates is None else tuple(rate for rate in rates if rate <= FILE_RATES[1])


def _mime(format: StreamFormat, rate: int) -> str:
    match format:
        case "pcm":
            return f"audio/pcm; rate={rate}; channels=1"
        case "mp3":
            return "audio/mpeg"
        case "opus":
            return "audio/ogg; codecs=opus"
        case _:
            return f"audio/{format}"


def _writer(format: StreamFormat, rate: int) -> CodecWriter:
    match format:
        case "wav":
            return PcmWriter(wav_header(rate))
        case "pcm":
            return PcmWriter()
        case "ogg":
            return VorbisWriter(rate)
        case "mp3" | "opus" | "flac" | "aac":
            return AvWriter(_av_recipe(format, rate), rate)
        case _:
            assert_never(format)


def _av_recipe(format: Literal["mp3", "opus", "flac", "aac"], rate: int) -> AvRecipe:
    match format:
        case "mp3":
            # A constant bit rate lets players tell the time without the header of the length.
            # LAME turns the level down below 160 kbit/s, the most there is up to 24 kHz; below
            # 16 kHz it is 64 kbit/s.
            return AvRecipe(
                "mp3",
                "libmp3lame",
                "fltp",
                64_000 if rate < 16_000 else 160_000,
                container_options={"write_xing": "0", "id3v2_version": "0"},
            )
        case "opus":
            # One packet a page: 5 kbit/s more, 40 ms less to wait.
            page = {"page_duration": "20000"}  # us
            return AvRecipe("ogg", "libopus", "flt", 64_000, container_options=page)
        case "flac":
            return AvRecipe(
                "flac",
                "flac",
                "s16",
                codec_options={"frame_size": "1152"},
                container_options={"metadata_header_padding": "0"},
            )
        case "aac":
            # At most 6 bits a sample are allowed.
            return AvRecipe("adts", "aac", "fltp", min(6 * rate, 96_000))
        case _:
            assert_never(format)


class _ResamplingEncoder:
    """A StreamEncoder: one resampler over the whole stream, then a codec."""

    def __init__(
        self, writer: CodecWriter, mime: str, extension: str, rate: int, file_rate: int
    ) -> None:
        self.mime = mime
        self.extension = extension
        self._writer: CodecWriter | None = writer
        self._started = False
        self._resampler = (
            None
            if rate == file_rate
            else soxr.ResampleStream(rate, file_rate, 1, dtype="float32", quality="HQ")
        )

    def start(self) -> bytes:
        writer = self._open_writer()
        if self._started:
            raise RuntimeError("the encoder was started before")
        self._started = True
        return writer.start()

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        writer = self._started_writer()
        check_waveform(samples)
        return writer.write(_clipped(self._resample(samples)))

    def finish(self) -> bytes:
        writer = self._started_writer()
        tail = self._resample(np.zeros(0, np.float32), last=True)
        data = writer.write(_clipped(tail)) + writer.finish()
        self.close()
        return data

    def close(self) -> None:
        writer, self._writer = self._writer, None
        self._resampler = None
        if writer is not None:
            writer.close()

    def _open_writer(self) -> CodecWriter:
        if self._writer is None:
            raise RuntimeError("the encoder is spent")
        return self._writer

    def _started_writer(self) -> CodecWriter:
        writer = self._open_writer()
        if not self._started:
            raise RuntimeError("the encoder was not started")
        return writer

    def _resample(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        if self._resampler is None:
            return samples
        resampled: NDArray[np.float32] = self._resampler.resample_chunk(samples, last=last)
        return resampled


def _clipped(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(samples, -1.0, 1.0)
