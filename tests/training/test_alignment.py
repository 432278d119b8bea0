"""Which symbol is spoken when, and the heads that are told where to look."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from indextts.stages.text.phonemes import PhonemeReader
from tests.indextts.small_models import small_gpt
from tests.training.tiny_run import LEXICON
from training.data.alignment import frame_labels, symbol_places
from training.data.corpus import Corpus
from training.data.features import Item
from training.data.teacher import (
    FRAME_SECONDS,
    LEAD_SECONDS,
    RATE,
    _english,
    speech_range,
    symbol_ends,
)
from training.nets.guidance import Look, Path, guidance_loss, guided, text_path
from training.steps.common import Setting


def aligned(setting: Setting) -> list[Item]:
    return [item for item in setting.train.items if len(item.ends)]


def test_a_frame_belongs_to_the_symbol_at_its_middle(setting: Setting) -> None:
    item = aligned(setting)[0]
    places = symbol_places(item, len(item.speech))
    for frame, place in enumerate(places.tolist()):
        begin = 0.0 if place == 0 else float(item.ends[place - 1])
        middle = (frame + 0.5) / 50
        assert begin <= middle
        assert middle < float(item.ends[place]) or place == len(item.ends) - 1


def test_labels_need_an_alignment(setting: Setting) -> None:
    items = aligned(setting)[:2]
    labels = frame_labels(items, setting.device)
    assert labels is not None
    assert labels.shape == (2, max(len(item.speech) for item in items))
    for item, row in zip(items, labels, strict=True):
        assert row[: len(item.speech)].unique_consecutive().tolist() == item.ids.tolist()
        assert (row[len(item.speech) :] == -100).all()
    corpus: Corpus = setting.train
    without = next(item for item in corpus.items if not len(item.ends))
    assert frame_labels([*items, without], setting.device) is None
    assert text_path(None, 3, 20) is None


def test_durations_are_added_up_by_symbol() -> None:
    ends = symbol_ends(np.array([4.0, 1, 2, 3, 5, 9]), [0, 0, 2, 3])
    np.testing.assert_allclose(ends, np.array([7, 7, 10, 15]) * FRAME_SECONDS - LEAD_SECONDS)


def test_silence_at_both_ends_is_found() -> None:
    sound = np.zeros(RATE, dtype=np.float32)
    assert speech_range(sound) == (0, RATE)
    sound[5000:7001] = 0.5
    assert speech_range(sound) == (5000 - 1920, 7000 + 1920)


def test_signs_of_the_teacher_know_their_symbol() -> None:
    symbols = PhonemeReader(LEXICON).read("one two, tea").split()
    signs = _english(symbols)
    assert [index for _, index in signs] == sorted(index for _, index in signs)
    assert {index for _, index in signs} == set(range(len(symbols)))
    assert "".join(sign for sign, _ in signs) == "wˈʌn tˈu, tˈi"


def test_a_guided_stack_gives_what_the_plain_one_gives() -> None:
    stack = small_gpt().gpt
    x = torch.randn(2, 9, stack.dim, generator=torch.Generator().manual_seed(0))
    hidden, looks = guided(stack, x)
    torch.testing.assert_close(hidden, stack(x))
    assert len(looks) == 2
    for look in looks:
        assert look.queries.shape == look.keys.shape
        assert look.keys.shape == (2, stack.heads, 9, stack.dim // stack.heads)


def test_guidance_rewards_looking_at_the_right_place() -> None:
    # Orthogonal keys; the query of each row is the key that it should find.
    keys = 10 * torch.eye(8)[None, None].expand(1, 2, 8, 8)
    wanted = torch.tensor([[1, 2], [2, 3], [2, 3]])
    right = torch.zeros(1, 2, 8, 8)
    for head in range(2):
        right[0, head, 5:] = 10 * torch.eye(8)[wanted[:, head]]
    path = Path(5, wanted)
    assert float(guidance_loss(Look(right, keys), [path])) < 1e-3
    assert float(guidance_loss(Look(-right, keys), [path])) > 10
    assert float(guidance_loss(Look(right, keys), [None])) == 0


def test_an_utterance_guides_to_its_own_symbols(setting: Setting) -> None:
    item = aligned(setting)[0]
    path = text_path(symbol_places(item, len(item.speech)), 7, 7 + len(item.ids) + 2)
    assert path is not None
    assert path.keys.shape == (len(item.speech) + 1, 2)
    # Row 7 is the text's start mark; the symbols follow it.
    assert path.keys[0].tolist() == [8, 9]
    assert path.keys[-1].tolist() == [7 + len(item.ids), 8 + len(item.ids)]


@pytest.mark.parametrize("name", ["guidance", "right"])
def test_the_curve_of_the_gpt_shows_it(setting: Setting, name: str) -> None:
    from training.workspace import read_rows

    rows = [row for row in read_rows(setting.work.curve("gpt")) if "valid" in row]
    assert rows
    assert all(name in row["valid"] for row in rows)
