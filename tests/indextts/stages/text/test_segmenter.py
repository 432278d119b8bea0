from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indextts.stages.text import split_segments
from tests.indextts.goldens import needs_goldens
from tests.indextts.stages.text.golden_cases import cases

PIECES = st.lists(st.sampled_from([".", "!", "▁?", ",", "-", "'", "▁'", "a", "▁b", "c"]))
QUOTES = ("'", "▁'")


@needs_goldens
@pytest.mark.parametrize(
    ("key", "max_tokens", "quick_tokens"),
    [("segments_120", 120, 0), ("segments_30", 30, 0), ("segments_30_quick40", 30, 40)],
)
def test_goldens(key: str, max_tokens: int, quick_tokens: int) -> None:
    for case in cases():
        assert split_segments(case["tokens"], max_tokens, quick_tokens) == case[key]


@given(PIECES, st.integers(1, 12), st.integers(0, 20))
def test_nothing_is_lost(pieces: list[str], max_tokens: int, quick_tokens: int) -> None:
    segments = split_segments(pieces, max_tokens, quick_tokens)
    assert all(segments)
    # Walk along the pieces; the only extra ones are quotes that also begin what follows.
    position = 0
    for piece in (piece for segment in segments for piece in segment):
        if position < len(pieces) and pieces[position] == piece:
            position += 1
        else:
            assert piece in QUOTES
            assert pieces[position - 1] == piece
    assert position == len(pieces)


@given(PIECES, st.integers(1, 12), st.integers(0, 20))
def test_bounds(pieces: list[str], max_tokens: int, quick_tokens: int) -> None:
    for segment in split_segments(pieces, max_tokens, quick_tokens):
        assert len(segment) <= max_tokens + 1
        assert len(segment) <= max_tokens or segment[-1] in QUOTES


@pytest.mark.parametrize(
    ("text", "max_tokens", "quick_tokens", "segments"),
    [
        ("", 5, 0, []),
        ("a b c", 5, 0, ["a b c"]),
        ("a b . c d .", 5, 0, ["a b .", "c d ."]),
        ("a b . c d .", 6, 0, ["a b . c d ."]),
        ("a b . c d .", 6, 5, ["a b . c d ."]),
        ("a b . c d .", 6, 6, ["a b .", "c d ."]),
        ("a b . c d .", 12, 6, ["a b . c d ."]),
        ("a b . c d . e f .", 9, 7, ["a b .", "c d . e f ."]),
        ("a b c d e", 2, 0, ["a b", "c", "d e"]),
        ("a . b", 3, 0, ["a . b"]),
        ("a b . ' c", 4, 0, ["a b . '", "' c"]),
    ],
)
def test_examples(text: str, max_tokens: int, quick_tokens: int, segments: list[str]) -> None:
    result = split_segments(text.split(), max_tokens, quick_tokens)
    assert [" ".join(segment) for segment in result] == segments


def test_zero_is_no_limit() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        split_segments(["a"], 0)
