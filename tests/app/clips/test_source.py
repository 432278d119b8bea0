from __future__ import annotations

import base64

import pytest

from app.clips.errors import AudioInputError, Code
from app.clips.source import DataUriSource, HexSource, UrlSource, VoiceSource, recognise

DATA = bytes(range(256))


@pytest.mark.parametrize(
    "url", ["http://a.example/x", "HTTPS://a.example/x", "ftp://u:p@a.example/x", "http://"]
)
def test_url(url: str) -> None:
    assert recognise(url) == UrlSource(url)


def test_password_stays_out_of_the_repr() -> None:
    assert "secret" not in repr(recognise("ftp://me:secret@a.example/x"))


@pytest.mark.parametrize("text", ["voice:anna", "Voice:anna", " voice:anna\n"])
def test_stored_voice(text: str) -> None:
    assert recognise(text) == VoiceSource("anna")


def test_the_name_of_a_voice_is_left_to_the_store() -> None:
    assert recognise("voice:../etc: x") == VoiceSource("../etc: x")
    assert recognise("voice:") == VoiceSource("")


@pytest.mark.parametrize("text", [DATA.hex(), DATA.hex().upper(), "ab" * 51])
def test_hex(text: str) -> None:
    assert recognise(text) == HexSource(bytes.fromhex(text))


@pytest.mark.parametrize(
    "text",
    [
        DATA.hex() + "\n",
        " \t" + DATA.hex(),
        "\r\n".join(DATA.hex()[i : i + 60] for i in range(0, 512, 60)) + "\r\n",  # xxd -p
        DATA.hex(" "),
    ],
)
def test_hex_as_tools_print_it(text: str) -> None:
    assert recognise(text) == HexSource(DATA)


def test_a_url_that_was_pasted_with_a_line_end() -> None:
    assert recognise(" http://a.example/x\n") == UrlSource("http://a.example/x")


def test_repr_of_a_large_clip_is_small() -> None:
    assert len(repr(recognise("00" * 1_000_000))) < 100


@pytest.mark.parametrize(
    "head",
    [
        "data:audio/wav;base64,",
        "data:audio/x-wav;base64,",
        "DATA:audio/mpeg;BASE64,",
        "data:audio/ogg;codecs=opus;base64,",
        "data:application/octet-stream;base64,",
        "data:video/ogg;base64,",
        "data:video/webm;codecs=opus;base64,",
        "data:;base64,",
    ],
)
def test_data_uri(head: str) -> None:
    assert recognise(head + base64.b64encode(DATA).decode()) == DataUriSource(DATA)
    assert recognise(head + base64.encodebytes(DATA).decode()) == DataUriSource(DATA)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", Code.UNRECOGNISED),
        (" ", Code.UNRECOGNISED),
        ("hello", Code.UNRECOGNISED),
        ("clip.wav", Code.UNRECOGNISED),
        ("/etc/passwd", Code.UNRECOGNISED),
        ("../voices/a.wav", Code.UNRECOGNISED),
        ("//a.example/x", Code.UNRECOGNISED),
        ("UklGR" * 40, Code.UNRECOGNISED),
        ("0x" + "ab" * 60, Code.UNRECOGNISED),
        ("\uff11" * 200, Code.UNRECOGNISED),
        ("ab" * 50, Code.BAD_HEX),
        ("ab", Code.BAD_HEX),
        ("ab" * 60 + "a", Code.BAD_HEX),
        ("ab" * 60 + "xy", Code.BAD_HEX),
        ("ab" * 60 + "\uff11\uff11", Code.BAD_HEX),
        ("ab" * 60 + "\ud800\ud800", Code.BAD_HEX),
        ("http://a.example/" + "a" * 2048, Code.BAD_URL),
        ("file:///etc/passwd", Code.BAD_SCHEME),
        ("gopher://a.example/", Code.BAD_SCHEME),
        ("javascript:alert(1)", Code.BAD_SCHEME),
        ("s3://bucket/x", Code.BAD_SCHEME),
        ("C:\\clip.wav", Code.BAD_SCHEME),
        ("data:", Code.BAD_DATA_URI),
        ("data:audio/wav;base64", Code.BAD_DATA_URI),
        ("data:audio/wav,AAAA", Code.BAD_DATA_URI),
        ("data:text/html;base64,AAAA", Code.BAD_DATA_URI),
        ("data:audio/wav;base64,AAA", Code.BAD_DATA_URI),
        ("data:audio/wav;base64,AAAA====", Code.BAD_DATA_URI),
        ("data:audio/wav;base64,AA==AA==", Code.BAD_DATA_URI),
        ("data:audio/wav;base64,AA-_", Code.BAD_DATA_URI),
        ("data:audio/wav;base64,\u00e9AAA", Code.BAD_DATA_URI),
        ("data:audio/wav;" + "a=b;" * 1000 + "base64,AAAA", Code.BAD_DATA_URI),
        ("data:audio/wav;base64,", Code.EMPTY),
    ],
)
def test_refused(value: str, code: Code) -> None:
    with pytest.raises(AudioInputError) as caught:
        recognise(value)
    assert caught.value.code is code
    assert caught.value.reason == str(caught.value)


def test_refusal_says_what_is_accepted() -> None:
    accepted = r"http, https or ftp URL.*hexadecimal.*data: URI.*voice:NAME"
    with pytest.raises(AudioInputError, match=accepted):
        recognise("clip.wav")
