from __future__ import annotations

import unicodedata

import pytest

from app.voices.errors import BadVoiceNameError
from app.voices.names import check_name, name_key
from tests.app.voices.hostile import HOSTILE_NAMES, IDS


@pytest.mark.parametrize(
    "name",
    [
        *("en_female", "a", "7", "Anna-2", "x" * 64, "张三", "張三_平静", "さくら", "사라", "नमस्ते"),
        *("Zoë", "Ελένη", "Анна_2", "مريم", "תמר", "สมชาย", "١٢٣", "straße", "ẹ́niyàn"),
        *("张三_v2", "consul", "com10", "null", "default"),
    ],
)
def test_names(name: str) -> None:
    assert check_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=IDS)
def test_hostile_names(name: str) -> None:
    with pytest.raises(BadVoiceNameError) as caught:
        check_name(name)
    assert len(caught.value.reason) < 200
    assert len(name) < 5 or name not in caught.value.reason


def test_composed_and_decomposed_are_the_same() -> None:
    assert check_name("Zoe\u0308") == check_name("Zo\u00eb")


def test_lengths_count_characters_and_bytes() -> None:
    assert check_name("\u5f20" * 64)
    with pytest.raises(BadVoiceNameError, match="200 bytes"):
        check_name("\U00020000" * 51)
    with pytest.raises(BadVoiceNameError, match="64 characters"):
        check_name("a" * 65)


@pytest.mark.parametrize(("a", "b"), [("Anna", "anna"), ("STRASSE", "straße"), ("Σας", "ΣΑΣ")])
def test_case_makes_no_other_voice(a: str, b: str) -> None:
    assert name_key(check_name(a)) == name_key(check_name(b))
