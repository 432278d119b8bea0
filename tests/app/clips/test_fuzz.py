"""Files damaged at random, with fixed seeds: each is heard or refused, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from app.clips.decode import decode_audio
from app.clips.errors import AudioInputError
from app.clips.limits import ClipLimits
from indextts.errors import AudioError
from tests.app.clips.sounds import recorded

LIMITS = ClipLimits(max_bytes=1 << 20, max_seconds=60.0, max_channels=8)
RATE = 16000
FORMATS = (
    ("WAV", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
)
RECORDED = (("ipod", "aac"), ("adts", "aac"), ("webm", "libopus"))
MUTATIONS = 60


def whole_file(container: str, subtype: str) -> bytes:
    time = np.arange(RATE // 2) / RATE
    buffer = io.BytesIO()
    tone = 0.5 * np.sin(2 * np.pi * 220 * time)
    soundfile.write(buffer, tone, RATE, format=container, subtype=subtype)
    return buffer.getvalue()


def mutations(data: bytes, seed: int) -> Iterator[bytes]:
    """Cut, flipped, overwritten, doubled and shifted; headers more often than the rest."""
    draw = np.random.default_rng(seed)
    for _ in range(MUTATIONS):
        damaged = bytearray(data)
        for _ in range(int(draw.integers(1, 6))):
            end = min(len(damaged), 64) if draw.random() < 0.5 else len(damaged)
            start = int(draw.integers(0, max(1, end)))
            length = int(draw.integers(1, 64))
            match int(draw.integers(0, 5)):
                case 0:
                    del damaged[start:]
                case 1:
                    damaged[start : start + 1] = draw.bytes(1)
                case 2:
                    damaged[start : start + 4] = draw.choice(
                        [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"]
                    )
                case 3:
                    damaged[start:start] = damaged[start : start + length]
                case _:
                    del damaged[start : start + length]
        yield bytes(damaged)


# libsndfile seeks to where damaged headers point, and soundfile tells so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("container", "codec"), FORMATS + RECORDED)
def test_damaged_files_are_heard_or_refused(container: str, codec: str) -> None:
    heard = 0
    kind = (container, codec)
    whole = recorded(*kind, seconds=0.5) if kind in RECORDED else whole_file(*kind)
    for data in mutations(whole, seed=(FORMATS + RECORDED).index(kind)):
        try:
            clip = decode_audio(data, LIMITS)
        except (AudioInputError, AudioError):
            continue
        heard += 1
        assert np.isfinite(clip.samples).all()
        assert np.abs(clip.samples).max() <= 1.0
    assert heard < MUTATIONS
    # Some damage does not matter, but the pages of Ogg have checksums.
    assert heard or container == "OGG"


@pytest.mark.parametrize("seed", range(4))
def test_noise_behind_every_signature_is_refused(seed: int) -> None:
    draw = np.random.default_rng(seed)
    for signature in (
        b"RIFF\xff\xff\xff\x7fWAVEfmt ",
        b"fLaC",
        b"OggS",
        b"ID3\x04",
        b"FORM",
        b"\xff\xfb",
    ):
        with pytest.raises(AudioInputError):
            decode_audio(signature + draw.bytes(2000), LIMITS)
