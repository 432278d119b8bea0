"""Step ``texts``: who says what, and how."""

from __future__ import annotations

import itertools
import logging
import random
from importlib import resources
from pathlib import Path

from indextts.stages.text.phonemes import PhonemeReader, load_lexicon
from training.data.voices import MANNER_WEIGHTS, SEEN, UNSEEN
from training.lexicon import build_lexicon
from training.texts import english, mandarin, shapes
from training.vocabulary import vocabulary_file, write_vocabulary
from training.workspace import Utterance, Workspace, write_utterances

log = logging.getLogger(__name__)

LANGUAGES = {"en": "english", "zh": "mandarin"}
# The final test, and the development set.
HAND_WRITTEN = ("test", "everyday")
# One sentence in so many is held out, and one in so many is given to a voice held out.
VALID_EVERY, UNSEEN_EVERY = 50, 60


def make_texts(work: Workspace, wordnet: Path, count: int, seed: int) -> list[Utterance]:
    """Write the plan of `count` utterances, languages in turn; a shorter plan is its beginning."""
    lexicon = load_lexicon(work.lexicon)
    if lexicon is None:
        work.root.mkdir(parents=True, exist_ok=True)
        lexicon = build_lexicon(work.lexicon)
    write_vocabulary(vocabulary_file(work), lexicon)
    reader = PhonemeReader(lexicon)
    tests = {
        text
        for language in LANGUAGES
        for name in HAND_WRITTEN
        for _, text in hand_written(name, language)
    }
    streams = {
        "en": shapes.shaped(english.sentences(wordnet, lexicon, seed), shapes.english(), seed),
        "zh": shapes.shaped(mandarin.sentences(reader, seed), shapes.mandarin(), seed),
    }
    choose = random.Random(f"{seed}/texts")
    rows = []
    for number, language in zip(range(count), itertools.cycle(LANGUAGES), strict=False):
        text = next(t for t in streams[language] if t not in tests)
        split, voices = "train", SEEN[language]
        # Pairs of numbers belong to the two languages.
        if number // 2 % VALID_EVERY == VALID_EVERY - 1:
            split = "valid"
        elif number // 2 % UNSEEN_EVERY == UNSEEN_EVERY - 1:
            split, voices = "unseen", UNSEEN[language]
        manner = choose.choices(list(MANNER_WEIGHTS), list(MANNER_WEIGHTS.values()))[0]
        voice = choose.choice(voices)
        name = f"{language}{number:06d}"
        rows.append(Utterance(name, text, language, reader.read(text), voice, split, manner))
    write_utterances(work.texts, rows)
    log.info("%s: %d sentences", work.texts, len(rows))
    return rows


def hand_written(name: str, language: str) -> list[tuple[str, str]]:
    """Kind and text of every line that was written for an evaluation, one of HAND_WRITTEN, in "en"
    or "zh"; no training text is one of them.
    """
    file = resources.files("training.texts") / f"{name}_{LANGUAGES[language]}.txt"
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())
    return [(kind, text) for kind, text in rows]
