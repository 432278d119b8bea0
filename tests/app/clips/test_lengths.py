"""How long a clip may be, and how much of it is looked at."""

from __future__ import annotations

import io
import struct
import time
from dataclasses import replace

import av
import numpy as np
import pytest
import soundfile
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.clips.decode import decode_audio
from app.clips.errors import Code
from indextts.clip_bounds import DECODED_SECONDS
from tests.app.clips.sounds import LIMITS, RATE, encoded, recorded, refused, tone


def flac_with_count(data: bytes, count: int) -> bytes:
    """Replace the 36 bits of STREAMINFO that hold the number of samples."""
    patched = bytearray(data)
    patched[21] = patched[21] & 0xF0 | count >> 32
    patched[22:26] = struct.pack(">I", count & 0xFFFFFFFF)
    return bytes(patched)


def test_flac_that_does_not_know_or_lies_about_its_length() -> None:
    data = encoded(tone(2.0), "FLAC", "PCM_16")
    assert decode_audio(flac_with_count(data, 0), LIMITS).seconds == 2.0
    assert decode_audio(flac_with_count(data, RATE * 50), LIMITS).seconds == 2.0
    assert refused(flac_with_count(data, 2**36 - 1)).code is Code.TOO_LONG


def without_its_count(mp3: bytes, rate: int = 44100) -> bytes:
    """The first frame counts the others; files from a pipe have none."""
    kilobits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[mp3[2] >> 4]
    return mp3[144 * kilobits * 1000 // rate + (mp3[2] >> 1 & 1) :]


def lasting(kind: str, seconds: float) -> bytes:
    """A clip of this length; its kind is a container, with its coder where FFmpeg makes it."""
    container, _, codec = kind.partition(" ")
    match container:
        case "amr":  # 50 frames a second, of comfort noise
            frame = bytes([0x3C]) + np.random.default_rng(0).bytes(31)
            return b"#!AMR\n" + frame * int(50 * seconds)
        case "uncounted":
            return without_its_count(encoded(tone(seconds, 44100), "MP3", "MPEG_LAYER_III", 44100))
        case _ if container.isupper():
            return encoded(tone(seconds, 8000), container, codec, 8000)
    options = {"live": "1"} if container == "webm" and seconds > 65 else {}
    return recorded(container, codec, seconds, 48000, options)


@pytest.mark.parametrize(
    "kind",
    [
        "WAV PCM_U8",
        "AIFF PCM_16",
        "FLAC PCM_16",
        "OGG VORBIS",
        "OGG OPUS",
        "MP3 MPEG_LAYER_III",
        "uncounted mp3",
        "ipod aac",
        "mov alac",
        "adts aac",
        "webm libopus",
        "amr",
    ],
)
def test_the_longest_clip_is_the_same_in_every_container(kind: str) -> None:
    assert decode_audio(lasting(kind, 60.0), LIMITS).seconds == DECODED_SECONDS
    for seconds in (61.0, 70.0):
        error = refused(lasting(kind, seconds))
        assert error.code is Code.TOO_LONG
        assert error.reason == (
            "the audio is longer than 60 seconds; of a clip the first 15 are heard, and 3 to 10 "
            "serve best"
        )


def test_damage_behind_what_is_heard_does_not_matter() -> None:
    data = lasting("ipod aac", 50.0)
    whole = decode_audio(data, LIMITS)
    place = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat")) * 3 // 4
    damaged = data[:place] + b"\xff" * 5000 + data[place + 5000 :]
    np.testing.assert_array_equal(decode_audio(damaged, LIMITS).samples, whole.samples)


def endless(seconds: float) -> bytes:
    """WebM of sound and a picture, without a length."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska", options={"live": "1"}) as file:
        sound = file.add_stream("libopus", rate=48000, layout="mono")
        video = file.add_stream("mpeg4", rate=25)
        assert isinstance(sound, AudioStream)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        picture = VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8), format="rgb24")
        file.mux(video.encode(picture))
        frame = AudioFrame.from_ndarray(tone(seconds, 48000).T.copy(), format="fltp", layout="mono")
        frame.sample_rate = 48000
        resampler = AudioResampler(sound.format, sound.layout, sound.rate, frame_size=960)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(sound.encode(part))
        file.mux(sound.encode(None))
        file.mux(video.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("track", [1, 2])  # the sound, the picture
def test_packets_that_last_no_time_are_not_counted_to_the_end(track: int) -> None:
    """A few megabytes hold a million of them."""
    cluster = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7 + b"\xe7\x82\x4e\x20"
    packet = b"\xa3\x85" + bytes([0x80 | track]) + b"\x00\x00\x80\xf8"
    data = endless(20.0) + cluster + packet * 1_500_000
    start = time.process_time()
    assert decode_audio(data, LIMITS).seconds == DECODED_SECONDS
    assert time.process_time() - start < 1.5


@pytest.mark.parametrize(
    ("container", "subtype"), [("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("WAV", "PCM_16")]
)
def test_no_more_is_decoded_than_is_heard(container: str, subtype: str) -> None:
    data = encoded(tone(60.0, 8000), container, subtype, 8000)
    assert decode_audio(data, LIMITS).seconds == DECODED_SECONDS
    unknown = flac_with_count(data, 0) if container == "FLAC" else data
    assert decode_audio(unknown, LIMITS).seconds == DECODED_SECONDS


def test_the_length_of_an_mp3_is_not_guessed() -> None:
    """Without a header that counts its frames, libsndfile guesses, and is far off."""
    noise = np.random.default_rng(0).standard_normal(25 * 44100) * 0.2
    noise[: 3 * 44100] *= 0.0005  # a quiet start: the first frames of a VBR file are small
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        noise,
        44100,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE",
        compression_level=0.2,
    )
    data = without_its_count(buffer.getvalue())
    guess = soundfile.info(io.BytesIO(data)).duration
    assert abs(guess - 25) > 5
    assert decode_audio(data, replace(LIMITS, max_seconds=25.0)).seconds == DECODED_SECONDS
    assert refused(data, replace(LIMITS, max_seconds=24.0)).code is Code.TOO_LONG
