"""Recognise audio files by their first bytes, and choose who decodes them.

libsndfile opens some 25 formats and FFmpeg hundreds, and the rare ones have had most of the
security holes, so a file gets that far only if it begins like one of the few that clients have.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.clips.errors import AudioInputError, Code

SUPPORTED = "WAV, FLAC, MP3, OGG (Vorbis or Opus), AIFF, M4A, AAC, WebM and AMR"
FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "AIFF"})
"""The same by the names that libsndfile gives them."""


@dataclass(frozen=True)
class ClipFormat:
    """How a file of a format is named.

    Attributes:
        suffix: with its dot.
        mime: the media type.
    """

    suffix: str
    mime: str


_UNKNOWN = ClipFormat(".bin", "application/octet-stream")
_SNDFILE_FORMATS = {
    b"fLaC": ClipFormat(".flac", "audio/flac"),
    b"OggS": ClipFormat(".ogg", "audio/ogg"),
    b"FORM": ClipFormat(".aiff", "audio/aiff"),
}
_WAVE = ClipFormat(".wav", "audio/wav")
# By FFmpeg's names of the containers.
_AV_FORMATS = {
    "mov": ClipFormat(".m4a", "audio/mp4"),
    "matroska": ClipFormat(".webm", "audio/webm"),
    "amr": ClipFormat(".amr", "audio/amr"),
    "aac": ClipFormat(".aac", "audio/aac"),
    "mp3": ClipFormat(".mp3", "audio/mpeg"),
}
MEDIA_TYPES = tuple(
    sorted({form.mime for form in (*_SNDFILE_FORMATS.values(), *_AV_FORMATS.values(), _WAVE)})
)
"""Of all the formats that :func:`clip_format` tells apart."""
_CONVERT = "convert it to WAV, FLAC, MP3 or OGG, for example with: ffmpeg -i in.{} out.wav"
# (offset, bytes there) -> what it is and its usual suffix.
_UNSUPPORTED = (
    (0, b"caff", "CAF", "caf"),
    (0, b".snd", "AU", "au"),
    (0, b"riff\x2e\x91\xcf\x11", "W64", "w64"),
    (0, b"\x30\x26\xb2\x75", "WMA", "wma"),
    (0, b"wvpk", "WavPack", "wv"),
    (0, b"MAC ", "Monkey's Audio", "ape"),
    (0, b"FLV\x01", "FLV", "flv"),
)


def av_container(data: bytes) -> str | None:
    """FFmpeg's name of the container of what it decodes here; None for what libsndfile does.

    Raises:
        AudioInputError: the file begins like none of the supported formats; where its format is
            known, the reason says how to convert it.
    """
    head = data[:16]
    if _is_sndfile(head):
        return None
    if head.startswith(b"ftyp", 4):
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"#!AMR"):
        return "amr"
    if _is_adts(head):
        return "aac"
    if head.startswith(b"ID3") or _is_mpeg_audio(head):
        return "mp3"
    for offset, magic, name, suffix in _UNSUPPORTED:
        if head.startswith(magic, offset):
            raise _unsupported(name, suffix)
    if head.lstrip()[:1] in (b"<", b"{"):
        raise AudioInputError(
            f"this is a web page or text, not an audio file; supported are {SUPPORTED}",
            Code.BAD_FORMAT,
        )
    raise AudioInputError(
        f"the audio format is not recognised; supported are {SUPPORTED}", Code.BAD_FORMAT
    )


def clip_format(data: bytes) -> ClipFormat:
    """The format of a file by its first bytes; what is no clip is bytes of any kind."""
    try:
        container = av_container(data)
    except AudioInputError:
        return _UNKNOWN
    if container is not None:
        return _AV_FORMATS[container]
    return _SNDFILE_FORMATS.get(data[:4], _WAVE)


def _is_sndfile(head: bytes) -> bool:
    if head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return head[8:12] == b"WAVE"
    if head[:4] == b"FORM":
        return head[8:12] in (b"AIFF", b"AIFC")
    return head[:4] in (b"fLaC", b"OggS")


def _is_mpeg_audio(head: bytes) -> bool:
    """A frame header of layer I, II or III: 11 bits of ones, a version and a layer that exist."""
    return (
        len(head) >= 2
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] & 0x18 != 0x08
        and head[1] & 0x06 != 0
    )


def _is_adts(head: bytes) -> bool:
    """AAC looks like MPEG audio of the layer that does not exist."""
    return len(head) >= 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


def _unsupported(name: str, suffix: str) -> AudioInputError:
    return AudioInputError(
        f"{name} audio is not supported; {_CONVERT.format(suffix)}", Code.BAD_FORMAT
    )
