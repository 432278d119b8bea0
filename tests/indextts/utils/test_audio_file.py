"""Reading clips of any kind, writing 16-bit WAV."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from numpy.typing import NDArray

from indextts.errors import AudioError, NonFiniteAudioError
from indextts.utils.audio_file import DECODED_SECONDS, encode_wav, read_audio, write_wav
from indextts.utils.pcm import pcm16


def tone(rate: int, seconds: float, channels: int = 1) -> NDArray[np.float32]:
    """[n, channels] of sines, one pitch for each channel."""
    time = np.arange(int(rate * seconds))[:, None] / rate
    pitch = 200.0 * (1 + np.arange(channels))
    return (0.5 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def encoded(samples: NDArray[np.float32], rate: int, kind: str, subtype: str | None) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "subtype", "rate", "channels", "tolerance"),
    [
        ("WAV", "PCM_U8", 8000, 1, 1e-2),
        ("WAV", "PCM_16", 48000, 2, 1e-4),
        ("WAV", "PCM_24", 96000, 8, 1e-6),
        ("WAV", "PCM_32", 44100, 1, 1e-6),
        ("WAV", "FLOAT", 22050, 3, 1e-7),
        ("WAV", "DOUBLE", 16000, 1, 1e-7),
        ("FLAC", "PCM_16", 44100, 2, 1e-4),
        ("AIFF", "PCM_16", 22050, 1, 1e-4),
        ("OGG", "VORBIS", 44100, 1, 5e-2),
    ],
)
def test_formats_are_decoded_and_mixed(
    kind: str, subtype: str, rate: int, channels: int, tolerance: float
) -> None:
    samples = tone(rate, 0.3, channels)
    clip = read_audio(encoded(samples, rate, kind, subtype))
    assert clip.sample_rate == rate
    assert clip.samples.dtype == np.float32
    assert clip.samples.shape == (len(samples),)
    np.testing.assert_allclose(clip.samples, samples.mean(axis=1), atol=tolerance)


def test_mp3_is_decoded() -> None:
    clip = read_audio(encoded(tone(44100, 0.5), 44100, "MP3", None))
    assert clip.sample_rate == 44100
    assert 0.45 < clip.seconds < 0.6
    assert 0.4 < np.abs(clip.samples).max() < 0.6


@pytest.mark.parametrize("name", ["clip.raw", "clip.mp3", "clip", "лица 语音.wav"])
def test_content_counts_not_the_name(tmp_path: Path, name: str) -> None:
    samples = tone(16000, 0.2)
    path = tmp_path / name
    path.write_bytes(encoded(samples, 16000, "WAV", "PCM_16"))
    from_path = read_audio(path)
    np.testing.assert_array_equal(from_path.samples, read_audio(path.read_bytes()).samples)
    np.testing.assert_array_equal(from_path.samples, read_audio(str(path)).samples)
    assert from_path.digest == read_audio(path).digest


def test_long_clips_are_not_decoded_to_the_end() -> None:
    content = encoded(np.zeros((40 * 8000, 2), np.float32), 8000, "FLAC", "PCM_16")
    assert read_audio(content).samples.shape == (int(DECODED_SECONDS * 8000),)
    assert read_audio(content, max_seconds=1.5).seconds == 1.5
    assert read_audio(content, max_seconds=60).seconds == 40


def test_truncated_wav_yields_what_is_there() -> None:
    samples = tone(16000, 1.0)
    content = encoded(samples, 16000, "WAV", "PCM_16")
    clip = read_audio(content[: len(content) // 2])
    assert 0.45 < clip.seconds < 0.55


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be decoded"),
        (b"<html>not found</html>" * 50, "cannot be decoded"),
        (encoded(np.zeros((0, 1), np.float32), 16000, "WAV", "PCM_16"), "no samples"),
        (encoded(tone(16000, 0.2)[:, [0] * 17], 16000, "WAV", "PCM_16"), "17 channels"),
        (encoded(tone(8000, 0.2), 800, "WAV", "PCM_16"), "800 Hz"),
        (encoded(tone(8000, 0.2), 1_000_000, "WAV", "PCM_16"), "1000000 Hz"),
        (encoded(np.full((99, 1), np.nan, np.float32), 16000, "WAV", "FLOAT"), "NaN"),
        (encoded(np.full((99, 1), np.inf, np.float32), 16000, "WAV", "FLOAT"), "NaN"),
    ],
)
def test_unusable_content_says_why(content: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        read_audio(content)


def test_damaged_flac_never_escapes_as_another_error() -> None:
    content = encoded(tone(16000, 1.0), 16000, "FLAC", "PCM_16")
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(50):
        damaged = bytearray(content)
        for place in rng.integers(4, len(damaged), 20):
            damaged[place] ^= 0xFF
        try:
            clip = read_audio(bytes(damaged))
        except AudioError:
            refused += 1
        else:
            assert clip.samples.ndim == 1
            assert np.isfinite(clip.samples).all()
    assert refused > 0


def test_unreadable_paths(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"nothing\.wav: cannot be opened: No such file"):
        read_audio(tmp_path / "nothing.wav")
    with pytest.raises(AudioError, match="cannot be opened"):
        read_audio(tmp_path)


def test_pcm_rounds_half_to_even_and_clips() -> None:
    halves = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 10.2], np.float64) / 32767
    waveform = np.concatenate([halves, [1.0, -1.0, 1.7, -3.0, 0.0]]).astype(np.float32)
    scaled = (waveform * np.float32(32767)).astype(np.float64)
    expected = [round(min(32767.0, max(-32767.0, value))) for value in scaled]
    np.testing.assert_array_equal(pcm16(waveform), expected)
    assert pcm16(waveform).dtype == np.int16
    assert pcm16(waveform)[6:].tolist() == [32767, -32767, 32767, -32767, 0]


def test_written_file_is_mono_16_bit(tmp_path: Path) -> None:
    waveform = tone(22050, 0.1)[:, 0]
    path = tmp_path / "a" / "b" / "out.wav"
    write_wav(path, np.zeros(9999, np.float32), 22050)
    write_wav(path, waveform, 22050)
    info = sf.info(path)
    assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")
    data, _ = sf.read(path, dtype="int16")
    np.testing.assert_array_equal(data, pcm16(waveform))
    assert path.read_bytes() == encode_wav(waveform, 22050)


def test_broken_waveforms_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    with pytest.raises(NonFiniteAudioError):
        write_wav(path, np.array([0.0, np.nan], np.float32), 22050)
    with pytest.raises(ValueError, match="one axis"):
        write_wav(path, np.zeros((2, 9), np.float32), 22050)
    assert not path.exists()
