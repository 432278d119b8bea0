"""Letter-to-sound rules, counted from a pronunciation dictionary.

Every letter is aligned with zero to two phonemes by expectation maximisation with hard counts;
then the most frequent sound of each letter is kept for contexts from wide to narrow, where it
differs from what the narrower context says (Torkkola 1993 describes the scheme).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

from indextts.stages.text.phonemes import SILENT, letter_contexts

Chunk = tuple[str, ...]
ROUNDS = 4
MIN_COUNT = 3
# Aligning all words adds nothing but time.
ALIGNED_WORDS = 40_000


def letter_rules(words: Mapping[str, tuple[str, ...]]) -> dict[str, Chunk]:
    """Rules ``left[letter]right`` -> phonemes; only those that a narrower rule does not give."""
    chosen = sorted(words)[:: max(1, len(words) // ALIGNED_WORDS)]
    costs: dict[tuple[str, Chunk], float] = {}
    aligned: list[tuple[str, list[Chunk]]] = []
    for _ in range(ROUNDS):
        aligned = [(w, c) for w in chosen if (c := align(w, words[w], costs))]
        costs = _costs(aligned)
    seen: dict[str, Counter[Chunk]] = defaultdict(Counter)
    for word, chunks in aligned:
        for place, chunk in enumerate(chunks):
            for key in letter_contexts(word, place):
                seen[key][chunk] += 1
    return _pruned(aligned, {k: c.most_common(1)[0] for k, c in seen.items()})


def align(
    word: str, phonemes: Chunk, costs: Mapping[tuple[str, Chunk], float]
) -> list[Chunk] | None:
    """The cheapest division of the phonemes among the letters; None if there is none."""
    count, infinite = len(phonemes), math.inf
    best = [0.0] + [infinite] * count
    choices: list[list[int]] = []
    for letter in word:
        following, choice = [infinite] * (count + 1), [0] * (count + 1)
        for end in range(count + 1):
            for size in range(min(2, end) + 1):
                chunk = phonemes[end - size : end]
                cost = best[end - size] + costs.get((letter, chunk), 4.0 + 2.0 * (size != 1))
                if cost < following[end]:
                    following[end], choice[end] = cost, size
        best = following
        choices.append(choice)
    if best[count] == infinite:
        return None
    chunks: list[Chunk] = []
    end = count
    for choice in reversed(choices):
        size = choice[end]
        chunks.append(phonemes[end - size : end])
        end -= size
    return chunks[::-1]


def _costs(aligned: list[tuple[str, list[Chunk]]]) -> dict[tuple[str, Chunk], float]:
    pairs = Counter(pair for word, chunks in aligned for pair in zip(word, chunks, strict=True))
    letters: Counter[str] = Counter()
    for (letter, _), number in pairs.items():
        letters[letter] += number
    return {pair: -math.log(n / letters[pair[0]]) for pair, n in pairs.items()}


def _pruned(
    aligned: list[tuple[str, list[Chunk]]], best: Mapping[str, tuple[Chunk, int]]
) -> dict[str, Chunk]:
    """Walk the contexts of every letter from narrow to wide; keep what changes the answer."""
    rules: dict[str, Chunk] = {}
    visited: set[str] = set()
    for word, chunks in aligned:
        for place in range(len(chunks)):
            answer: Chunk | None = None
            for key in reversed(list(letter_contexts(word, place))):
                sound, number = best[key]
                if key in visited:
                    answer = rules.get(key, answer)
                    continue
                visited.add(key)
                if sound != (answer if answer != (SILENT,) else ()) and (
                    number >= MIN_COUNT or answer is None
                ):
                    rules[key] = answer = sound or (SILENT,)
    return rules
