"""Cut the pieces of a text into segments that the model speaks in one go (text.md 3)."""

from __future__ import annotations

from collections.abc import Sequence

_SENTENCE_ENDS = frozenset({".", "!", "?", "▁.", "▁?", "▁..."})
_SOFT_MARKS = frozenset({",", "▁,", "-"})
_QUOTES = frozenset({"'", "▁'"})


def split_segments(
    pieces: Sequence[str], max_tokens: int = 120, quick_tokens: int = 0
) -> list[list[str]]:
    """Segments in order, packed as full as the limit allows.

    A segment has at most `max_tokens` pieces; one more where a closing quote follows the end of
    a sentence: the quote is copied there and stays at the head of what follows, as in the
    original.

    Args:
        pieces: of the whole text.
        max_tokens: longest segment, at least 1.
        quick_tokens: as long as fewer pieces have gone by, segments grow only up to half of the
            limit, so that the first ones are ready soon; 0 switches it off.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens must be at least 1, got {max_tokens}")
    return _merge(_raw_segments(pieces, max_tokens), max_tokens, quick_tokens)


def _raw_segments(pieces: Sequence[str], max_tokens: int) -> list[list[str]]:
    segments: list[list[str]] = []
    current: list[str] = []
    for index, piece in enumerate(pieces):
        current.append(piece)
        if piece in _SOFT_MARKS or len(current) > max_tokens:
            segments += (
                current[begin : begin + max_tokens] for begin in range(0, len(current), max_tokens)
            )
            current = []
        elif piece in _SENTENCE_ENDS and len(current) > 2:
            following = pieces[index + 1 : index + 2]
            segments.append(current + [quote for quote in following if quote in _QUOTES])
            current = []
    if current:
        segments.append(current)
    return segments


def _merge(segments: Sequence[list[str]], max_tokens: int, quick_tokens: int) -> list[list[str]]:
    merged: list[list[str]] = []
    total = 0
    for segment in segments:
        total += len(segment)
        length = len(merged[-1]) + len(segment) if merged else 0
        fits = length <= max_tokens and total > quick_tokens
        if merged and (fits or length <= max_tokens / 2):
            merged[-1] = merged[-1] + segment
        else:
            merged.append(segment)
    return merged
