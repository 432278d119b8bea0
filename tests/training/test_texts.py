from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from indextts.stages.text.phonemes import Lexicon
from tests.training.tiny_run import LEXICON
from training.letters import align, letter_rules
from training.lexicon import kokoro_to_arpabet, split_syllable
from training.steps.texts import HAND_WRITTEN, LANGUAGES, hand_written
from training.texts import english

needs_dictionaries = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("misaki", "pypinyin", "jieba")),
    reason="training/requirements.txt is not installed",
)


def test_no_hand_written_text_is_there_twice_or_has_digits() -> None:
    for language in LANGUAGES:
        rows = [text for name in HAND_WRITTEN for _, text in hand_written(name, language)]
        assert len(rows) == len(set(rows)) == 78 + 70
        assert not any(re.search(r"\d", row) for row in rows)


@pytest.mark.parametrize(
    ("example", "sentence"),
    [
        ("she sighed sadly;", None),
        ("exhale when you lift the weight", "Exhale when you lift the weight."),
        ("Is it far  from here?", "Is it far from here?"),
        ("he killed the time somehow", None),
        ("route 66 is a long road", None),
        ("STOP HERE AND NOW", None),
    ],
)
def test_examples_are_tidied_or_left_out(example: str, sentence: str | None) -> None:
    assert english.tidy(example) == sentence


def test_only_readable_examples_are_taken(tmp_path: Path) -> None:
    for name in english.FILES:
        (tmp_path / name).write_text("", encoding="utf-8")
    gloss = 'x | say; "one two tea now"; "one two xyz now"; "one two tea now"\n'
    (tmp_path / "data.verb").write_text(gloss, encoding="utf-8")
    assert english.examples(tmp_path, LEXICON) == ["One two tea now."]
    with pytest.raises(FileNotFoundError, match="wordnet-base"):
        english.examples(tmp_path / "nowhere", LEXICON)


@pytest.mark.parametrize(
    ("signs", "phonemes"),
    [
        ("həlˈO", ("HH", "AX0", "L", "OW1")),
        ("bˈɜɹd", ("B", "ER1", "D")),
        ("kˌætəɡˈɔɹi", ("K", "AE2", "T", "AX0", "G", "AO1", "R", "IY0")),
        ("x", None),
        ("", None),
    ],
)
def test_the_teachers_signs_become_arpabet(signs: str, phonemes: tuple[str, ...] | None) -> None:
    assert kokoro_to_arpabet(signs) == phonemes


@pytest.mark.parametrize(
    ("pinyin", "symbols"),
    [
        ("ni", ("N-", "-I")), ("zhi", ("ZH-", "-IR")), ("si", ("S-", "-IZ")), ("ju", ("J-", "-V")),
        ("xue", ("X-", "-VE")), ("quan", ("Q-", "-VAN")), ("liu", ("L-", "-IOU")),
        ("gui", ("G-", "-UEI")), ("dun", ("D-", "-UEN")), ("yu", ("-V",)), ("yuan", ("-VAN",)),
        ("you", ("-IOU",)), ("yi", ("-I",)), ("ying", ("-ING",)), ("wu", ("-U",)),
        ("wei", ("-UEI",)), ("er", ("-ER",)), ("bo", ("B-", "-UO")), ("nv", ("N-", "-V")),
    ],
)  # fmt: skip
def test_finals_that_sound_alike_have_one_name(pinyin: str, symbols: tuple[str, ...]) -> None:
    assert split_syllable(pinyin) == symbols


def test_letter_rules_learn_the_silent_and_the_soft() -> None:
    sounds = {"c": "K", "a": "AE1", "t": "T", "p": "P", "n": "N", "m": "M", "i": "IH1", "d": "D"}
    words = {
        f"{a}{v}{b}": (sounds[a], sounds[v], sounds[b])
        for a in "ctpnmd" for v in "ai" for b in "tpnmd" if (a, v) != ("c", "i")
    } | {f"ci{b}": ("S", "IH1", sounds[b]) for b in "tpnmd"}  # fmt: skip
    rules = letter_rules(words)
    reader_lexicon = Lexicon({}, rules, {}, {}, {})
    from indextts.stages.text.phonemes import PhonemeReader

    reader = PhonemeReader(reader_lexicon)
    assert reader.read("cat") == "K AE1 T"
    assert reader.read("cid") == "S IH1 D"
    assert align("ab", ("X",) * 5, {}) is None


@needs_dictionaries
def test_mandarin_sentences_cover_syllables_and_repeat_by_seed() -> None:
    from itertools import islice

    from indextts.stages.text.phonemes import PhonemeReader
    from training.lexicon import mandarin_tables
    from training.texts import mandarin

    syllables, characters, words = mandarin_tables()
    reader = PhonemeReader(Lexicon({}, {}, syllables, characters, words))
    first = list(islice(mandarin.sentences(reader, 1), 4000))
    assert first[:20] == list(islice(mandarin.sentences(reader, 1), 20))
    assert first[:20] != list(islice(mandarin.sentences(reader, 2), 20))
    heard = {
        s for text in first for run in re.findall("[一-鿿]+", text) for s in reader.pinyin(run)
    }
    assert len(heard) > 1000


def test_the_pitch_of_a_tone_is_found() -> None:
    import numpy as np

    from training.evaluation.pitch import median_pitch

    time = np.arange(16000) / 16000
    for hertz in (90.0, 210.0):
        tone = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in (1, 2, 3)) * 0.2
        assert median_pitch(tone.astype(np.float32), 16000) == pytest.approx(hertz, rel=0.02)
    assert median_pitch(np.zeros(16000, np.float32), 16000) == 0
