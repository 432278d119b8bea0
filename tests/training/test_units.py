"""Speech units: what codes mean, and that the codec's search finds them again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from indextts.config import SemanticCodecConfig
from indextts.layers.rep_codec import FactorizedCodebook
from tests.training.tiny_run import SOUNDS
from training.data.alignment import is_aligned
from training.data.features import Item
from training.data.units import PAUSE, Units, make_units, melody, unit_codes, usual_pitches
from training.steps.codec import all_codes, give_units, unit_vectors
from training.steps.common import Setting, all_items
from training.unit_space import REACH, STEPS, codebook_size, entry_width

NAMES = ("", "", "", "AH0", "AH1", "T", ",", ".", "-AO3", "-AO5", "|")


@pytest.fixture
def units() -> Units:
    return make_units(NAMES, 8)


def utterance(ids: list[int], ends: list[float], start: float, pitch: tuple[int, ...]) -> Item:
    from training.workspace import Utterance

    row = Utterance("x", "", "en", "", "v", "train", "plain", 0.0, start, tuple(ends), pitch)
    empty = torch.zeros(len(pitch), 160)
    return Item(row, torch.tensor(ids), torch.tensor(ends), empty, 0, empty, empty, empty)


def test_a_sound_has_no_tone_and_no_stress(units: Units) -> None:
    assert units.sounds == (PAUSE, "-AO", "AH", "T", "|")
    assert units.sound_of.tolist() == [0, 0, 0, 2, 2, 3, 0, 0, 1, 1, 4]
    with pytest.raises(ValueError, match="5 sounds, room for 4"):
        make_units(NAMES, 4)


def test_codes_say_sound_third_and_melody(units: Units) -> None:
    # 40 ms of silence, 60 ms of AH, 40 ms of T, 60 ms of -AO.
    item = utterance([4, 5, 8], [0.10, 0.14, 0.20], 0.04, (0, 0, 100, 200, 0, 0, 0, 50, 100, 100))
    sounds, thirds, steps = units.parts(units.codes(item, 100.0))
    assert sounds.tolist() == [0, 0, 2, 2, 2, 3, 3, 1, 1, 1]
    assert thirds.tolist()[2:] == [0, 1, 2, 0, 2, 0, 1, 2]
    plain = REACH + 1
    assert steps.tolist() == [0, 0, plain, plain + REACH, 0, 0, 0, 1, plain, plain]


def test_what_comes_after_the_last_symbol_is_a_pause(units: Units) -> None:
    item = utterance([5, 4], [0.04, 0.10], 0.0, (0, 0, 100, 100, 100, 100, 0))
    sounds, _, steps = units.parts(units.codes(item, 100.0))
    assert sounds.tolist() == [3, 3, 2, 2, 2, 0, 0]
    assert steps.tolist()[5:] == [0, 0]


def test_a_pause_has_no_melody(units: Units) -> None:
    item = utterance([6], [0.2], 0.0, (100,) * 10)
    sounds, _, steps = units.parts(units.codes(item, 100.0))
    assert sounds.tolist() == steps.tolist() == [0] * 10


def test_steps_are_semitones_and_missing_frames_have_no_voice() -> None:
    hertz = tuple(round(1000 * 2 ** (s / 12)) for s in (-20, -1, -0.4, 0.4, 1.4, 1.6, 9))
    steps = melody(hertz, 8, 1000.0)
    assert (steps - REACH - 1).tolist()[:-1] == [-REACH, -1, 0, 0, 1, 2, REACH]
    assert steps[-1] == 0


def test_parts_join_to_the_same_codes(units: Units) -> None:
    codes = torch.arange(codebook_size(units.room))
    assert torch.equal(units.join(*units.parts(codes)), codes)
    assert len(units.entries()) == len(codes)
    assert len({tuple(row) for row in units.entries().tolist()}) == len(codes)


def test_transposed_codes_keep_their_sounds_and_their_silence(units: Units) -> None:
    sounds, thirds = torch.tensor([2, 2, 3, 1]), torch.tensor([0, 1, 2, 0])
    codes = units.join(sounds, thirds, torch.tensor([5, 0, 1, STEPS - 2]))
    for steps, expected in ((3, [8, 0, 4, STEPS - 1]), (-3, [2, 0, 1, STEPS - 5])):
        parts = units.parts(units.transposed(codes, steps))
        assert [part.tolist() for part in parts] == [sounds.tolist(), thirds.tolist(), expected]


def test_uneven_codes_are_the_same_speech_a_frame_early_or_late(units: Units) -> None:
    count = 400
    sounds = torch.arange(count) // 4 % (len(units.sounds) - 1) + 1
    voiced = sounds % 2 == 0
    steps = torch.where(voiced, torch.tensor([1, 9, STEPS - 1]).repeat(count)[:count], 0)
    codes = units.join(sounds, torch.arange(count) % 3, steps)
    torch.manual_seed(1)
    uneven = units.uneven(codes)
    made, _, melody_made = units.parts(uneven)
    assert made.unique_consecutive().tolist() == sounds.unique_consecutive().tolist()
    borders, moved = ((row[1:] != row[:-1]).nonzero()[:, 0] for row in (sounds, made))
    late = moved - borders
    assert set(late.tolist()) == {-1, 0, 1}
    assert torch.equal(melody_made > 0, made % 2 == 0)
    kept = made == sounds
    off = (melody_made - steps).abs()[kept & voiced]
    assert 0.1 < float((off > 0).float().mean()) < 0.7
    torch.manual_seed(1)
    assert torch.equal(units.uneven(codes), uneven)


def test_the_engines_search_takes_the_best_of_each_part(units: Units) -> None:
    width = entry_width(units.room)
    config = SemanticCodecConfig(codebook_size(units.room), width, width, 16, 32, 1)
    book = give_units(FactorizedCodebook(config), units, 1)
    scores = torch.randn(1, width, 50, generator=torch.Generator().manual_seed(0))
    best = [part.argmax(1)[0] for part in scores.split(list(units.widths), dim=1)]
    assert torch.equal(book.search(scores)[0], units.join(*best))


def test_vectors_of_codes_tell_them_apart_and_need_no_training(setting: Setting) -> None:
    first, again = unit_vectors(setting), unit_vectors(setting)
    codes = torch.arange(codebook_size(SOUNDS))[None]
    vectors = first.lookup(codes)
    assert torch.equal(vectors, again.lookup(codes))
    assert not any(p.requires_grad for p in first.out_project.parameters())
    assert len({tuple(row) for row in vectors[0].T.tolist()}) == codes.shape[1]


def test_the_usual_pitch_is_that_of_plain_speech(setting: Setting) -> None:
    items = [item for item in setting.train.items if is_aligned(item)]
    usual = usual_pitches(items)
    assert usual.keys() == {item.row.voice for item in items}
    assert all(100 <= hertz <= 130 for hertz in usual.values())
    fast = [i for i in items if i.row.manner == "fast"]
    assert usual_pitches(fast).keys() == {i.row.voice for i in fast}
    silent = [replace(i, row=replace(i.row, pitch=(0,) * 9)) for i in items]
    assert usual_pitches(silent) == {}


def test_aligned_speech_is_read_off_and_other_speech_is_heard(setting: Setting) -> None:
    items = all_items(setting)
    codes, aligned = all_codes(setting), unit_codes(items, setting.units, setting.usual_pitches)
    assert codes.keys() == {item.name for item in items}
    assert aligned.keys() == {item.name for item in items if is_aligned(item)}
    assert len(aligned) < len(codes)
    for item in items:
        assert len(codes[item.name]) == len(item.speech)
        assert codes[item.name].max() < codebook_size(SOUNDS)
