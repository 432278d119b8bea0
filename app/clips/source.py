"""Tell what a client gave as audio: a URL, digits, a ``data:`` URI or a stored voice."""

from __future__ import annotations

import binascii
import re
import string
from dataclasses import dataclass, field

from app.clips.errors import AudioInputError, Code
from app.clips.fetch.url import MAX_URL_LENGTH, SCHEMES

MIN_HEX_LENGTH = 101
"""Hexadecimal audio has more than 100 characters; anything shorter is no clip."""

ACCEPTED = (
    "give an http, https or ftp URL, the file's bytes as hexadecimal digits (more than 100), "
    "a data: URI with base64, or voice:NAME for a stored voice"
)
VOICE_SCHEME = "voice"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# What a clip is labelled as says nothing (browsers call Ogg a video); the content decides.
_DATA_HEAD = re.compile(
    r"data:(?:(?:audio|video|application)/[a-z0-9.+-]{1,64})?(?:;[a-z0-9.+_=\"-]{1,64})*;base64",
    re.IGNORECASE,
)
_DATA_HEAD_LIMIT = 512
_HEX_DIGITS = frozenset(string.hexdigits)
# Blanks and line ends of ASCII, which tools put into and behind digits and base64.
_BLANKS = {ord(character): None for character in " \t\r\n\f\v"}


@dataclass(frozen=True)
class UrlSource:
    """A clip to download.  The URL may carry a password: it stays out of the repr."""

    url: str = field(repr=False)


@dataclass(frozen=True)
class HexSource:
    """The bytes of a file that came as hexadecimal digits."""

    data: bytes = field(repr=False)


@dataclass(frozen=True)
class DataUriSource:
    """The bytes of a file that came as a base64 ``data:`` URI."""

    data: bytes = field(repr=False)


@dataclass(frozen=True)
class VoiceSource:
    """A stored voice; its name is as the client wrote it."""

    name: str = field(repr=False)


AudioSource = UrlSource | HexSource | DataUriSource | VoiceSource


def recognise(value: str) -> AudioSource:
    """Tell which kind of audio input `value` is, and decode it where it is inline.

    Blanks and line ends around it, and within digits and base64, are passed over, as ``xxd -p``,
    ``base64`` and ``print(data.hex())`` make them.

    Raises:
        AudioInputError: it is none of them; the reason says what is accepted.
    """
    value = value.strip(" \t\r\n\f\v")
    scheme = _SCHEME.match(value[:64])
    if scheme is None:
        return _hex_source(value)
    name = scheme.group(1).lower()
    if name in SCHEMES:
        if len(value) > MAX_URL_LENGTH:
            raise AudioInputError(
                f"the URL is longer than {MAX_URL_LENGTH} characters", Code.BAD_URL
            )
        return UrlSource(value)
    if name == VOICE_SCHEME:
        return VoiceSource(value[len(VOICE_SCHEME) + 1 :])
    if name == "data":
        return _data_uri_source(value)
    raise AudioInputError(f"this kind of URL is not supported: {ACCEPTED}", Code.BAD_SCHEME)


def _hex_source(value: str) -> HexSource:
    # A look at the head is enough to tell "wrong hexadecimal" from "something else".
    if not value or not set(value[:MIN_HEX_LENGTH].translate(_BLANKS)) <= _HEX_DIGITS:
        raise AudioInputError(f"the audio is not recognised: {ACCEPTED}", Code.UNRECOGNISED)
    value = value.translate(_BLANKS)
    if len(value) < MIN_HEX_LENGTH:
        raise AudioInputError("hexadecimal audio needs more than 100 digits", Code.BAD_HEX)
    if len(value) % 2:
        raise AudioInputError("hexadecimal audio needs an even number of digits", Code.BAD_HEX)
    try:
        data = bytes.fromhex(value)
    except ValueError as error:
        raise AudioInputError(
            "the hexadecimal audio holds a character that is no hexadecimal digit", Code.BAD_HEX
        ) from error
    return HexSource(data)


def _data_uri_source(value: str) -> DataUriSource:
    comma = value.find(",", 0, _DATA_HEAD_LIMIT)
    if comma < 0 or _DATA_HEAD.fullmatch(value, 0, comma) is None:
        raise AudioInputError(
            "a data: URI must begin with data:audio/...;base64,",
            Code.BAD_DATA_URI,
        )
    text = value[comma + 1 :].translate(_BLANKS)
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:  # binascii.Error is one
        raise AudioInputError("the base64 of the data: URI is not valid", Code.BAD_DATA_URI) from (
            error
        )
    # The strict mode lets padding pass that belongs to nothing ("AAAA====").
    if len(text) != -(-len(data) // 3) * 4:
        raise AudioInputError("the base64 of the data: URI is not valid", Code.BAD_DATA_URI)
    if not data:
        raise AudioInputError("the data: URI is empty", Code.EMPTY)
    return DataUriSource(data)
