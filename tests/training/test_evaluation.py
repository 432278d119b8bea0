"""Figures by kind of text, ends inside a sound, and what codes spell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from indextts.stages.text.phonemes import load_phoneme_reader
from indextts.utils.audio_file import read_audio, write_wav
from training.data.teacher import RATE as TEACHER_RATE
from training.data.teacher import Spoken, Timing
from training.data.voices import Manner
from training.evaluation import floor, kinds, spelling, stages, texts
from training.steps.common import Setting
from training.steps.export import export_model
from training.workspace import Workspace, append_row, read_rows

RATE = 16000


def tone(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)


@pytest.mark.parametrize(("choose", "count", "sorts"), [("everyday", 70, 8), ("final", 78, 9)])
def test_the_sets_have_so_many_texts_and_kinds_a_language(
    choose: str, count: int, sorts: int
) -> None:
    rows = getattr(texts, choose)(99)
    assert len({row.text for row in rows}) == len({row.name for row in rows}) == 2 * count
    for language in ("en", "zh"):
        own = [row for row in rows if row.language == language]
        assert (len(own), len({row.kind for row in own})) == (count, sorts)
        closed = [row for row in own if row.kind not in ("open", "word")]
        assert all(row.text[-1] in ".?!。？！" for row in closed)
        assert all(row.text[-1].isalpha() for row in own if row.kind == "open")


def test_long_sentences_of_the_final_test_are_as_long_as_the_goal_says() -> None:
    own = [row for row in texts.final(99) if row.kind == "long"]
    lengths = {row.text: len(row.text.split() if row.language == "en" else row.text) for row in own}
    assert len(lengths) == 30
    assert {11 <= n <= 17 if t.isascii() else 16 <= n <= 25 for t, n in lengths.items()} == {True}


def test_a_limit_counts_texts_of_a_kind() -> None:
    assert len(texts.everyday(2)) == 32
    assert [text.kind for text in texts.sentences(30)] == [texts.SHORT] * 60
    assert [text.name for text in texts.sentences(1)] == ["en-00", "zh-00"]


def test_a_sound_that_breaks_off_is_found() -> None:
    silence = np.zeros(RATE // 10, np.float32)
    fade = tone(0.2) * np.linspace(1, 0, RATE // 5, dtype=np.float32) ** 2
    assert kinds.ends_inside_a_sound(tone(0.5), RATE)
    assert not kinds.ends_inside_a_sound(np.concatenate((tone(0.5), silence)), RATE)
    assert not kinds.ends_inside_a_sound(np.concatenate((tone(0.5), fade)), RATE)
    assert not kinds.ends_inside_a_sound(silence, RATE)
    assert not kinds.ends_inside_a_sound(silence[:0], RATE)


def english(units: int, errors: int) -> dict[str, object]:
    return {"language": "en", "units": units, "errors": errors}


def test_a_runaway_counts_as_much_as_silence_and_each_kind_alike() -> None:
    chinese = {"language": "zh", "units": 4, "errors": 4, "syllables": 4, "syllable_errors": 1}
    rows = [
        ("short", english(6, 0)), ("short", english(4, 60)), ("word", english(1, 0)),
        ("word", chinese),
    ]  # fmt: skip
    found = kinds.error_shares(rows)
    assert found["en"] == {"short": 0.4, "word": 0.0, kinds.MEAN: 0.2}
    assert found["zh"] == {"word": 0.25, kinds.MEAN: 0.25}


def test_runs_are_gathered_and_the_teacher_stands_beside(tmp_path: Path) -> None:
    work = Workspace(tmp_path)

    def run(name: str, errors: int, sound: np.ndarray) -> Path:
        listing = work.evaluation / name / "list.jsonl"
        append_row(listing, {"audio": "a.wav", "text": "x", "language": "en", "kind": "short"})
        write_wav(listing.parent / "a.wav", sound, RATE)
        scores = {"items": [english(4, errors)]}
        (listing.parent / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
        return listing

    quiet = np.concatenate((tone(0.3), np.zeros(RATE // 10, np.float32)))
    kinds.report(work, "everyday-teacher", [run("teacher", 0, quiet)])
    found = kinds.report(work, "everyday", [run("1", 1, quiet), run("2", 3, tone(0.3))])
    assert found == kinds.load_report(work, "everyday")
    assert (found["errors"]["en"]["short"], found["runs"]) == (0.5, 2)
    assert (found["ends_inside_a_sound"], found["files"]) == (1, 2)
    silence = np.zeros(16 * RATE, np.float32)
    page = kinds.report(work, "page", [run("page", 0, np.concatenate((silence, tone(1.0))))])
    assert page["ends_inside_a_sound"] == 1  # also where it is longer than any reference clip
    lines = kinds.table(found, kinds.load_report(work, "everyday-teacher"))
    assert "| short | 50.0% |  | 0.0% |  |" in lines
    assert lines[-1] == "1 of 2 files end inside a sound (the teacher: 0 of 1)."
    assert kinds.load_report(work, "nothing") is None


def test_codes_are_read_as_sounds(setting: Setting) -> None:
    units = setting.units
    zero = torch.zeros(6, dtype=torch.int64)
    sounds = torch.tensor([0, 3, 3, 0, 3, 5])
    codes = units.join(sounds, torch.tensor([0, 0, 2, 0, 1, 1]), zero)
    assert spelling.spelt_sounds(codes, units) == [3, 5]
    ids = torch.tensor([units.sound_of.tolist().index(s) for s in (3, 3, 5)])
    assert spelling.wanted_sounds(ids, units) == [3, 5]
    assert spelling.edit_distance([1, 2, 3], [1, 3, 4]) == 2
    assert spelling.edit_distance([], [1]) == 1


class Speaker:
    """A teacher who hums for a tenth of a second a symbol."""

    def __init__(self, setting: Setting) -> None:
        self._reader = load_phoneme_reader(setting.work.lexicon)

    def speak(self, text: str, language: str, voice: str, manner: Manner) -> Spoken:
        assert self._reader is not None
        count = len(self._reader.read(text).split())
        seconds = count / 10
        ends = tuple((i + 1) / 10 for i in range(count))
        sound = np.resize(tone(0.5), int(seconds * TEACHER_RATE))
        return Spoken(sound, Timing(seconds, 0.0, ends, (110,) * int(seconds * 50)))


def test_the_teacher_speaks_a_page_sentence_by_sentence(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard = []

    class Listener(Speaker):
        def speak(self, text: str, language: str, voice: str, manner: Manner) -> Spoken:
            heard.append(text)
            return super().speak(text, language, voice, manner)

    work = Workspace(tmp_path)
    monkeypatch.setattr(floor, "SEEN", {"en": ("af_one",), "zh": ("zf_three",)})
    monkeypatch.setattr(floor, "make_teacher", lambda *_: Listener(setting))
    rows = [
        texts.EvaluationText("en-00", "en", 0, texts.PAGE, "tea now. tea? tea now."),
        texts.EvaluationText("zh-00", "zh", 0, texts.PAGE, "你好。你好！"),
        texts.EvaluationText("en-01", "en", 1, "paragraph", "tea now. tea now."),
    ]
    listing = floor.speak_floor(work, None, rows, "teacher", 1)
    clips = set(floor.CLIP_TEXT.values())
    spoken = ["tea now.", "tea?", "tea now.", "你好。", "你好！", "tea now. tea now."]
    assert [text for text in heard if text not in clips] == spoken
    page, _, paragraph = (
        read_audio(listing.parent / row["audio"]).seconds for row in read_rows(listing)
    )
    assert page > paragraph


def test_the_stages_speak_the_same_texts(
    setting: Setting, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        texts.EvaluationText("en-00", "en", 0, "word", "tea now."),
        texts.EvaluationText("en-01", "en", 1, "paragraph", "tea now."),
    ]
    monkeypatch.setattr(stages, "everyday", lambda limit: rows)
    monkeypatch.setattr(stages, "SEEN", {"en": ("af_one",)})
    monkeypatch.setattr(stages, "make_teacher", lambda *_: Speaker(setting))
    export_model(setting.work, setting.recipe, model_folder)
    listings = stages.speak_stages(setting, model_folder, None, 30)
    sounds = {}
    for stage, listing in listings.items():
        (row,) = read_rows(listing)
        assert (row["text"], row["kind"]) == ("tea now.", "word")
        sounds[stage] = read_audio(listing.parent / row["audio"])
    assert set(sounds) == set(stages.STAGES)
    seconds = [sound.seconds for sound in sounds.values()]
    assert seconds == pytest.approx([0.6, 0.6], abs=0.06)  # six symbols
    assert sounds["mel"].digest != sounds["codes"].digest


def test_an_untrained_gpt_spells_badly(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        texts.EvaluationText("en-00", "en", 0, "word", "tea now."),
        texts.EvaluationText("zh-00", "zh", 0, "word", "你好。"),
        texts.EvaluationText("zh-01", "zh", 1, "paragraph", "你好。"),
    ]
    monkeypatch.setattr(spelling, "everyday", lambda limit: rows)
    monkeypatch.setattr(spelling, "SEEN", {"en": ("af_one",), "zh": ("zf_three",)})
    found = spelling.measure_spelling(setting, 30, 2)
    assert set(found["zh"]) == {"word", kinds.MEAN}
    assert 0.2 < found["en"]["word"] <= 1.0
