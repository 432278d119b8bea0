from __future__ import annotations

import gc
import io
import itertools
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import av
import numpy as np
import pytest
import soundfile
import soxr
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from app.speech.encode import AudioFormat, encode_audio
from app.speech.stream_encode import StreamEncoder, StreamFormat, stream_encoder
from indextts.utils.pcm import pcm16

RATE = 22050
FORMATS: tuple[StreamFormat, ...] = get_args(StreamFormat)
FILE_RATE = {"opus": 24000}
# Of the samples that a decoder gets before the first one of the input.
DELAY = {"mp3": 1105, "aac": 1024}

Wave = NDArray[np.float32]


def tone(seconds: float = 1.0, rate: int = RATE, hertz: float = 440.0) -> Wave:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(
        np.float32
    )


def voice(n: int, seed: int = 0) -> Wave:
    """Noise below a quarter of the rate, louder and softer: it fits at one place only."""
    noise = np.random.default_rng(seed).standard_normal(n + 15)
    smooth = np.convolve(noise, np.hanning(16) / 8, "valid")
    return (0.3 * smooth * (1.2 + np.sin(np.arange(n) / 3000))).astype(np.float32)[:n]


def cut(samples: Wave, lengths: Iterable[int]) -> Iterator[Wave]:
    first = 0
    for length in lengths:
        yield samples[first : first + length]
        first += length
        if first >= len(samples):
            return


def random_lengths(rng: np.random.Generator, high: int) -> Iterator[int]:
    yield from (0, 1, 1, 0)
    while True:
        yield int(rng.integers(0, high))


def encoded(encoder: StreamEncoder, pieces: Iterable[Wave]) -> bytes:
    return b"".join([encoder.start(), *map(encoder.encode, pieces), encoder.finish()])


def by_ffmpeg(data: bytes, rate: int) -> Wave:
    """Samples at the rate; FFmpeg always decodes Opus to 48 kHz."""
    adts = data.startswith(b"\xff\xf1")  # not recognised when very short
    with av.open(io.BytesIO(data), format="aac" if adts else None) as file:
        frames = list(file.decode(audio=0))
    assert {len(frame.layout.channels) for frame in frames} == {1}
    samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    if samples.dtype == np.int16:
        samples = samples / np.float32(32768)
    if frames[0].sample_rate != rate:
        assert frames[0].sample_rate == 2 * rate
        samples = soxr.resample(samples, 2 * rate, rate)
    return samples.astype(np.float32)


def decoded(data: bytes, format: StreamFormat, rate: int) -> Wave:
    if format == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
    if format in ("aac", "flac"):  # libsndfile lacks AAC and needs to know the length of FLAC
        return by_ffmpeg(data, rate)
    samples, file_rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert (samples.ndim, file_rate) == (1, rate)
    return np.asarray(samples)


def decoded_length(format: StreamFormat, rate: int, n: int) -> int:
    """As `stream_encoder` promises."""
    if format not in DELAY:
        return n
    if format == "aac":
        frame, added = 1024, 1024
    else:
        frame, added = 576 if rate <= 24000 else 1152, 1152
    return -(-(n + added) // frame) * frame


@pytest.mark.parametrize(
    ("format", "mime", "head"),
    [
        ("wav", "audio/wav", b"RIFF\xff\xff\xff\xffWAVEfmt "),
        ("pcm", "audio/pcm; rate=22050; channels=1", b""),
        ("mp3", "audio/mpeg", b"\xff\xf3"),  # a frame of MPEG-2, layer III, no ID3 before it
        ("ogg", "audio/ogg", b"OggS"),
        ("opus", "audio/ogg; codecs=opus", b"OggS"),
        ("flac", "audio/flac", b"fLaC"),
        ("aac", "audio/aac", b"\xff\xf1"),  # a frame of ADTS
    ],
)
def test_names_and_beginning(format: StreamFormat, mime: str, head: bytes) -> None:
    encoder = stream_encoder(format, RATE)
    assert (encoder.mime, encoder.extension) == (mime, format)
    data = encoded(encoder, [tone()])
    assert data.startswith(head)
    assert b"Xing" not in data
    assert b"Info" not in data[:200]
    assert b"Lavf6" not in data  # no version of a library


def test_the_header_of_wav_leaves_both_sizes_open() -> None:
    header = stream_encoder("wav", RATE, target_rate=24000).start()
    assert len(header) == 44
    assert struct.unpack("<4xI4x4xIHHIIHH4xI", header) == (
        *(0xFFFFFFFF, 16, 1, 1, 24000, 48000, 2, 16, 0xFFFFFFFF),
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("n", [588, 700, 30011, 44100])
def test_decoded_length_delay_and_tail(format: StreamFormat, n: int) -> None:
    samples = voice(n)
    rate = FILE_RATE.get(format, RATE)
    expected = samples if rate == RATE else soxr.resample(samples, RATE, rate, quality="HQ")
    got = decoded(encoded(stream_encoder(format, RATE), [samples]), format, rate)
    assert len(got) == decoded_length(format, rate, len(expected))
    if n < RATE:
        return
    # Every part stands where it should, the last 50 ms too: nothing is lost or shifted.
    got = got[DELAY.get(format, 0) :][: len(expected)]
    for part in (slice(None), slice(-rate // 20, None), slice(rate // 20)):
        a, b = got[part].astype(np.float64), expected[part].astype(np.float64)
        assert a @ b / np.sqrt((a @ a) * (b @ b)) > 0.97
        np.testing.assert_allclose(a @ a, b @ b, rtol=0.1)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("target", [None, 24000])
def test_ffmpeg_reads_it_too(format: StreamFormat, target: int | None) -> None:
    rate = target or FILE_RATE.get(format, RATE)
    data = encoded(stream_encoder(format, RATE, target_rate=target), cut(voice(40000), [999] * 99))
    if format == "pcm":
        return
    ours = decoded(data, format, rate)
    theirs = by_ffmpeg(data, rate)
    assert len(theirs) == len(ours)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=0.02)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("target", [None, 24000])
def test_pieces_leave_no_trace(format: StreamFormat, target: int | None) -> None:
    """Neither codec nor resampler starts anew at a border."""
    rate = target or FILE_RATE.get(format, RATE)
    samples = voice(50_000)
    whole = encoded(stream_encoder(format, RATE, target_rate=target), [samples])
    rng = np.random.default_rng(7)
    few = itertools.islice(random_lengths(rng, 3), 6000)  # longer than a frame of any codec
    for lengths in (
        itertools.chain(few, itertools.repeat(4999)),
        random_lengths(rng, 2000),
        random_lengths(rng, 20_000),
    ):
        pieces = cut(samples, lengths)
        joined = encoded(stream_encoder(format, RATE, target_rate=target), pieces)
        if format == "ogg":  # libsndfile gives every stream a serial number of its own
            np.testing.assert_array_equal(
                decoded(joined, format, rate), decoded(whole, format, rate)
            )
        else:
            assert joined == whole


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("target", [None, 24000])
def test_a_tone_stays_this_tone(format: StreamFormat, target: int | None) -> None:
    rate = target or FILE_RATE.get(format, RATE)
    data = encoded(stream_encoder(format, RATE, target_rate=target), cut(tone(2.0), [777] * 99))
    got = decoded(data, format, rate)[rate // 2 :][:rate]  # one second: bins of 1 Hz
    spectrum = np.abs(np.fft.rfft(got * np.hanning(rate))) ** 2
    assert spectrum.argmax() == 440
    # Clicks would fill the spectrum: all but the tone is 35 dB below it.
    assert spectrum[435:446].sum() / spectrum.sum() > 1 - 3e-4
    assert np.abs(got).max() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("format", ["wav", "pcm", "flac"])
@pytest.mark.parametrize("seed", range(5))
def test_lossless_formats_hold_what_the_whole_file_holds(format: StreamFormat, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.uniform(-1.2, 1.2, 20_000).astype(np.float32)
    data = encoded(stream_encoder(format, RATE), cut(samples, random_lengths(rng, 3000)))
    whole: AudioFormat = "flac" if format == "flac" else "wav"
    expected, _ = soundfile.read(
        io.BytesIO(encode_audio(samples, RATE, whole).data), dtype="float32"
    )
    np.testing.assert_array_equal(decoded(data, format, RATE), expected)
    if format != "flac":
        assert data[44 if format == "wav" else 0 :] == pcm16(samples).tobytes()


@pytest.mark.parametrize("format", [format for format in FORMATS if format != "ogg"])
@pytest.mark.parametrize("target", [None, 24000])
def test_little_is_kept_back(format: StreamFormat, target: int | None) -> None:
    """Of sound that went in, at most 0.15 s cannot be decoded yet, resampled or not."""
    rate = target or FILE_RATE.get(format, RATE)
    encoder = stream_encoder(format, RATE, target_rate=target)
    data = bytearray(encoder.start())
    samples = voice(RATE)
    fed = 0
    for piece in cut(samples, [1471] * 15):
        data += encoder.encode(piece)
        fed += len(piece)
        if fed < 0.2 * RATE:
            continue
        ready = len(by_ffmpeg(bytes(data), rate)) if format != "pcm" else len(data) // 2
        assert fed / RATE - ready / rate < 0.15
    encoder.close()


def test_vorbis_comes_by_pages() -> None:
    """Not within 0.15 s: libsndfile cannot be told to write smaller pages."""
    encoder = stream_encoder("ogg", RATE)
    data = bytearray(encoder.start())
    for piece in cut(voice(4 * RATE), itertools.repeat(RATE // 10)):
        data += encoder.encode(piece)
    ready = len(by_ffmpeg(bytes(data), RATE)) / RATE
    assert 2.5 < ready < 4
    encoder.close()


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_stays_after_breaking_off(format: StreamFormat) -> None:
    """Codec and file go at once, without the garbage collector."""

    def held() -> int:
        kinds = (av.container.OutputContainer, AudioStream, av.CodecContext, soundfile.SoundFile)
        return sum(isinstance(thing, kinds) for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = held()
        fresh = stream_encoder(format, RATE)
        fresh.close()
        encoder = stream_encoder(format, RATE, target_rate=24000)
        encoder.start()
        encoder.encode(voice(5000))
        encoder.close()
        encoder.close()
        assert held() == before
    finally:
        gc.enable()
    with pytest.raises(RuntimeError, match="spent"):
        encoder.encode(voice(10))
    with pytest.raises(RuntimeError, match="spent"):
        encoder.finish()


@pytest.mark.parametrize("format", FORMATS)
def test_order_of_calls(format: StreamFormat) -> None:
    encoder = stream_encoder(format, RATE)
    with pytest.raises(RuntimeError, match="not started"):
        encoder.encode(tone())
    with pytest.raises(RuntimeError, match="not started"):
        encoder.finish()
    encoder.start()
    with pytest.raises(RuntimeError, match="started before"):
        encoder.start()
    encoder.finish()
    for call in (encoder.start, encoder.finish):
        with pytest.raises(RuntimeError, match="spent"):
            call()
    encoder.close()


@pytest.mark.parametrize("format", FORMATS)
def test_no_sound_at_all(format: StreamFormat) -> None:
    data = encoded(stream_encoder(format, RATE), [np.zeros(0, np.float32)])
    if format in ("wav", "ogg"):
        assert len(decoded(data, format, RATE)) == 0
    elif format in ("opus", "flac"):
        assert data == stream_encoder(format, RATE).start()
    else:
        assert data == b""


@pytest.mark.parametrize(
    ("format", "rate", "file_rate"),
    [
        ("opus", 24000, 24000),
        ("opus", 44100, 48000),
        ("mp3", 8000, 8000),
        ("mp3", 11000, 11025),
        ("mp3", 44100, 44100),
        ("mp3", 96000, 48000),
        ("aac", 8000, 8000),
        ("aac", 44000, 44100),
        ("aac", 96000, 96000),
        ("flac", 96000, 96000),
        ("ogg", 8000, 8000),
    ],
)
def test_rate_of_the_codec(format: StreamFormat, rate: int, file_rate: int) -> None:
    data = encoded(stream_encoder(format, rate), [tone(1.0, rate)])
    assert len(decoded(data, format, file_rate)) == decoded_length(format, file_rate, file_rate)


def test_errors() -> None:
    with pytest.raises(ValueError, match="wav, pcm, mp3, ogg, opus, flac, aac"):
        stream_encoder("m4a", RATE)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="opus holds no 22050 Hz"):
        stream_encoder("opus", RATE, target_rate=22050)
    encoder = stream_encoder("pcm", RATE)
    encoder.start()
    for bad in (np.zeros((1, 4), np.float32), np.zeros(4), np.full(4, np.inf, np.float32)):
        with pytest.raises(ValueError, match="finite float32"):
            encoder.encode(bad)  # type: ignore[arg-type]
    assert encoder.encode(np.array([2.0, -2.0], np.float32)) == b"\xff\x7f\x01\x80"


def test_several_at_once() -> None:
    """Encoders share nothing: threads make the same bytes as one after the other."""
    formats = [format for format in FORMATS if format != "ogg"] * 3

    def run(seed: int) -> bytes:
        pieces = cut(voice(30_000, seed), [501] * 99)
        return encoded(stream_encoder(formats[seed], RATE, target_rate=24000), pieces)

    seeds = range(len(formats))
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(run, seeds)) == [run(seed) for seed in seeds]


def test_the_libraries_write_nothing_to_stderr() -> None:
    """The service's log is lines of JSON; FFmpeg warns that it cannot rewrite a FLAC header."""
    program = """
import numpy as np
from app.speech.stream_encode import stream_encoder
for format in ("mp3", "ogg", "opus", "flac", "aac"):
    for spare in (0, 5000):
        encoder = stream_encoder(format, 22050)
        encoder.start()
        encoder.encode(np.zeros(spare, np.float32))
        encoder.finish()
    encoder = stream_encoder(format, 8000)
    encoder.start()
    encoder.encode(np.ones(5000, np.float32))
    encoder.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_aac_as_a_whole() -> None:
    audio = encode_audio(tone(), RATE, "aac")
    assert (audio.mime, audio.extension) == ("audio/aac", "aac")
    assert audio.data == encoded(stream_encoder("aac", RATE), [tone()])
