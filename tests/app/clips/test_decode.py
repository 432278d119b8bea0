from __future__ import annotations

import contextlib
import io
import struct
from dataclasses import replace

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.clips.decode import decode_audio
from app.clips.errors import AudioInputError, Code
from indextts.clip_bounds import DECODED_SECONDS
from tests.app.clips.sounds import LIMITS, RATE, encoded, recorded, refused, tone


@pytest.mark.parametrize(
    ("container", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 1e-2),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 0.0),
        ("WAV", "DOUBLE", 0.0),
        ("WAV", "ULAW", 3e-2),
        ("WAV", "ALAW", 3e-2),
        ("WAVEX", "PCM_16", 1e-4),
        ("RF64", "PCM_16", 1e-4),
        ("AIFF", "PCM_16", 1e-4),
        ("FLAC", "PCM_16", 1e-4),
        ("FLAC", "PCM_24", 1e-6),
        ("OGG", "VORBIS", 5e-2),
        ("OGG", "OPUS", 5e-2),
        ("MP3", "MPEG_LAYER_III", 5e-2),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats(container: str, subtype: str, tolerance: float, channels: int) -> None:
    samples = tone(channels=channels)
    clip = decode_audio(encoded(samples, container, subtype), LIMITS)
    assert clip.sample_rate == RATE
    assert clip.samples.dtype == np.float32
    assert clip.samples.shape == (RATE,)
    middle = slice(RATE // 10, -RATE // 10)  # at the edges the lossy coders may ring
    np.testing.assert_allclose(
        clip.samples[middle], samples.mean(axis=1)[middle], atol=tolerance + 1e-7
    )


def test_mp3_with_a_tag_and_wav_that_was_written_to_a_pipe() -> None:
    mp3 = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + encoded(tone(), "MP3", "MPEG_LAYER_III")
    assert decode_audio(mp3, LIMITS).samples.shape == (RATE,)
    wav = bytearray(encoded(tone(), "WAV", "PCM_16"))
    wav[4:8] = wav[40:44] = b"\xff\xff\xff\xff"
    assert decode_audio(bytes(wav), LIMITS).samples.shape == (RATE,)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("ipod", "aac", 16000),  # M4A
        ("mp4", "aac", 44100),
        ("mov", "alac", 44100),
        ("adts", "aac", 24000),
        ("webm", "libopus", 48000),
        ("matroska", "libopus", 48000),
        ("mp3", "libmp3lame", 24000),
    ],
)
def test_what_phones_and_browsers_record(container: str, codec: str, rate: int) -> None:
    clip = decode_audio(recorded(container, codec, rate=rate), LIMITS)
    assert clip.sample_rate == rate
    assert clip.seconds == pytest.approx(1.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(clip.samples * np.hanning(len(clip.samples))))
    assert np.argmax(spectrum) / clip.seconds == pytest.approx(220, abs=2)


def test_amr() -> None:
    # A frame of comfort noise of AMR-NB at 12.2 kbit/s is 32 bytes; FFmpeg cannot write AMR.
    frame = bytes([0x3C]) + np.random.default_rng(0).bytes(31)
    assert decode_audio(b"#!AMR\n" + frame * 20, LIMITS).sample_rate == 8000


def test_a_recording_is_decoded_as_far_as_it_is_heard() -> None:
    data = recorded("ipod", "aac", seconds=40.0)
    assert decode_audio(data, LIMITS).seconds == DECODED_SECONDS


def test_video_without_sound_and_codecs_that_are_not_decoded() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        picture = VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8), format="rgb24")
        file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    assert refused(buffer.getvalue()).code is Code.TOO_SHORT
    error = refused(recorded("matroska", "pcm_s16le"))
    assert error.code is Code.BAD_FORMAT
    assert "pcm_s16le" in error.reason


@pytest.mark.parametrize("container", ["ipod", "webm", "adts", "mp3"])
def test_damage_is_an_error_and_never_a_crash(container: str) -> None:
    codec = {"webm": "libopus", "mp3": "libmp3lame"}.get(container, "aac")
    whole = recorded(container, codec, rate=48000)
    random = np.random.default_rng(7)
    for _ in range(60):
        data = bytearray(whole[: random.integers(16, len(whole))])
        for place in random.integers(8, len(data), size=20):
            data[place] = random.integers(0, 256)
        with contextlib.suppress(AudioInputError):
            assert np.isfinite(decode_audio(bytes(data), LIMITS).samples).all()


@pytest.mark.parametrize(
    ("head", "name"), [(b"caff", "CAF"), (b"\x30\x26\xb2\x75", "WMA"), (b"wvpk", "WavPack")]
)
def test_well_known_but_unsupported(head: bytes, name: str) -> None:
    error = refused(head + bytes(5000))
    assert error.code is Code.BAD_FORMAT
    assert name in error.reason
    assert "ffmpeg -i in." in error.reason


@pytest.mark.parametrize(
    "data",
    [
        bytes(5000),
        b"RIFF",
        b"RIFF\x00\x00\x00\x00AVI " + bytes(100),
        b"<!DOCTYPE html><html>no</html>",
        b'\n {"error": "not found"}',
        b"FORM\x00\x00\x00\x008SVX" + bytes(100),
        encoded(tone(), "AU", "PCM_16"),
        encoded(tone(), "CAF", "PCM_16"),
        encoded(tone(), "W64", "PCM_16"),
        encoded(tone(), "NIST", "PCM_16"),
        encoded(tone(), "VOC", "PCM_16"),
        encoded(tone(), "MAT5", "PCM_16"),
    ],
)
def test_unknown_formats(data: bytes) -> None:
    assert refused(data).code is Code.BAD_FORMAT


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\x00\x00\x00\x00WAVE" + bytes(100),
        b"\xff" * 5000,
        b"fLaC" + bytes(100),
        b"OggS" + bytes(100),
        b"ID3" + bytes(100),
        b"\xff\xfb\x90\x00",
        b"FORM\x00\x00\x00\x00AIFF" + bytes(100),
        b"RF64\xff\xff\xff\xffWAVE" + bytes(100),
        encoded(tone(), "OGG", "OPUS")[:300],
        encoded(tone(4.0), "FLAC", "PCM_16")[:10_000],
        # A tag in front must not open the door to another format.
        b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + encoded(tone(), "AU", "PCM_16"),
    ],
)
def test_damaged_files(data: bytes) -> None:
    assert refused(data).code in (Code.UNDECODABLE, Code.TOO_SHORT)


def test_flac_with_damage_in_the_middle() -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (RATE * 4, 1)).astype(np.float32)
    data = bytearray(encoded(noise, "FLAC", "PCM_16"))
    data[len(data) // 2 : len(data) // 2 + 200] = b"\xff" * 200
    assert refused(bytes(data)).code is Code.UNDECODABLE


def test_cut_wav_is_read_as_far_as_it_goes() -> None:
    data = encoded(tone(), "WAV", "PCM_16")
    assert decode_audio(data[: 44 + RATE], LIMITS).samples.shape == (RATE // 2,)


def test_empty_and_too_large() -> None:
    assert refused(b"").code is Code.EMPTY
    data = encoded(tone(), "WAV", "PCM_16")
    assert decode_audio(data, replace(LIMITS, max_bytes=len(data))).seconds == 1.0
    assert refused(data, replace(LIMITS, max_bytes=len(data) - 1)).code is Code.TOO_LARGE


def test_header_only_and_short_clips() -> None:
    data = encoded(tone(), "WAV", "PCM_16")
    assert refused(data[:44]).code is Code.TOO_SHORT
    assert refused(encoded(tone(0.05), "WAV", "PCM_16")).code is Code.TOO_SHORT
    assert decode_audio(encoded(tone(0.1), "WAV", "PCM_16"), LIMITS).seconds == 0.1


def wav_header(channels: int, rate: int, size: int = 1 << 20) -> bytes:
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, channels, rate),
        *(rate * channels * 2 & 0xFFFFFFFF, channels * 2 & 0xFFFF, 16, b"data", size),
    )


@pytest.mark.parametrize("channels", [9, 1024])
def test_too_many_channels(channels: int) -> None:
    assert refused(wav_header(channels, RATE) + bytes(1 << 20)).code is Code.TOO_MANY_CHANNELS


@pytest.mark.parametrize("rate", [3999, 384_001, 655_350])
def test_sample_rate_out_of_range(rate: int) -> None:
    assert refused(wav_header(1, rate) + b"\x10\x20" * 10_000).code is Code.BAD_RATE


@pytest.mark.parametrize("rate", [0, 2**32 - 1])
def test_impossible_sample_rate(rate: int) -> None:
    data = wav_header(1, rate) + b"\x10\x20" * 10_000
    assert refused(data).code in (Code.BAD_RATE, Code.UNDECODABLE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(value: float) -> None:
    samples = tone(channels=2)
    samples[1234, 1] = value
    assert refused(encoded(samples, "WAV", "FLOAT")).code is Code.NOT_FINITE


def test_silence() -> None:
    assert refused(encoded(0.0 * tone(), "WAV", "PCM_16")).code is Code.SILENT
    dither = (np.where(np.arange(RATE) % 2, 1, -1)[:, None] / 32768).astype(np.float32)
    assert refused(encoded(dither, "WAV", "PCM_16")).code is Code.SILENT
    quiet = decode_audio(encoded(0.01 * tone(), "WAV", "PCM_16"), LIMITS)
    assert quiet.seconds == 1.0


def test_samples_are_clipped() -> None:
    clip = decode_audio(encoded(6 * tone(), "WAV", "FLOAT"), LIMITS)
    assert (clip.samples.min(), clip.samples.max()) == (-1.0, 1.0)


def test_reasons_name_nothing_of_ours() -> None:
    for data in (b"RIFF\x00\x00\x00\x00WAVE" + bytes(100), bytes(100), b"fLaC" + bytes(100)):
        reason = refused(data).reason
        assert "BytesIO" not in reason
        assert "/" not in reason.replace("M4A/MP4", "")
