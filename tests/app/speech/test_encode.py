from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from app.speech.encode import AudioFormat, encode_audio
from indextts.utils.pcm import pcm16

RATE = 22050


def tone(seconds: float = 1.0, rate: int = RATE) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * 220 * np.arange(int(seconds * rate)) / rate)).astype(
        np.float32
    )


@pytest.mark.parametrize(
    ("format", "container", "subtype", "mime", "rate"),
    [
        ("wav", "WAV", "PCM_16", "audio/wav", 22050),
        ("flac", "FLAC", "PCM_16", "audio/flac", 22050),
        ("mp3", "MP3", "MPEG_LAYER_III", "audio/mpeg", 22050),
        ("ogg", "OGG", "VORBIS", "audio/ogg", 22050),
        ("opus", "OGG", "OPUS", "audio/ogg; codecs=opus", 24000),
    ],
)
def test_formats(format: AudioFormat, container: str, subtype: str, mime: str, rate: int) -> None:
    audio = encode_audio(tone(), RATE, format)
    assert (audio.mime, audio.extension) == (mime, format)
    with soundfile.SoundFile(io.BytesIO(audio.data)) as file:
        assert (file.format, file.subtype, file.channels) == (container, subtype, 1)
        assert file.samplerate == rate
        samples = file.read(dtype="float32")
    assert len(samples) == rate
    # The middle; at the edges the lossy coders are allowed to ring.
    middle = slice(rate // 10, -rate // 10)
    np.testing.assert_allclose(samples[middle], tone(rate=rate)[middle], atol=0.02)


def test_pcm_is_rounded_half_to_even_of_32767() -> None:
    halves = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 100.4, 1e9, -1e9, 32767, -32767])
    waveform = (halves / 32767).astype(np.float32)
    exact = waveform * np.float32(32767)  # as the reference, in float32
    expected = np.rint(np.clip(exact, -32767, 32767)).astype(np.int16)
    np.testing.assert_array_equal(pcm16(waveform), expected)
    ties = np.array([0.0, 1.0, -1.0, 2.0, -2.0], np.float32)
    np.testing.assert_array_equal(pcm16(ties), [0, 32767, -32767, 32767, -32767])


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_lossless_formats_hold_exactly_these_samples(format: AudioFormat) -> None:
    waveform = np.random.default_rng(0).uniform(-1.2, 1.2, 50_000).astype(np.float32)
    data = encode_audio(waveform, RATE, format).data
    decoded, _ = soundfile.read(io.BytesIO(data), dtype="int16")
    np.testing.assert_array_equal(decoded, pcm16(waveform))


@pytest.mark.parametrize(
    ("format", "rate", "expected"),
    [
        ("opus", 24000, 24000),
        ("opus", 44100, 48000),
        ("opus", 96000, 48000),
        ("mp3", 96000, 48000),
        ("mp3", 11000, 11025),
        ("ogg", 96000, 96000),
    ],
)
def test_rate_that_the_codec_lacks(format: AudioFormat, rate: int, expected: int) -> None:
    data = encode_audio(tone(rate=rate), rate, format).data
    info = soundfile.info(io.BytesIO(data))
    assert info.samplerate == expected
    assert info.duration == pytest.approx(1.0, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["ogg", "mp3"])
def test_long_audio(format: AudioFormat) -> None:
    """The Ogg encoder of libsndfile ends the process when it gets all of this at once."""
    data = encode_audio(np.tile(tone(), 180), RATE, format).data
    assert soundfile.info(io.BytesIO(data)).frames == 180 * RATE


def test_no_samples_make_an_empty_file() -> None:
    data = encode_audio(np.zeros(0, np.float32), RATE, "wav").data
    assert soundfile.info(io.BytesIO(data)).frames == 0


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros((1, 10), np.float32),
        np.zeros(10, np.float64),
        np.full(10, np.nan, np.float32),
    ],
)
def test_bad_samples(waveform: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="finite float32"):
        encode_audio(waveform, RATE, "wav")


def test_unknown_format() -> None:
    with pytest.raises(ValueError, match="wav, flac, mp3, ogg, opus"):
        encode_audio(tone(), RATE, "m4a")  # type: ignore[arg-type]
