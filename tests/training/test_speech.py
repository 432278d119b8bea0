"""What the teacher is asked for, and what it tells besides the sound."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from training.data.teacher import (
    DURATIONS,
    LOWEST_PITCH,
    PITCH,
    PITCH_FACTOR,
    PITCH_SECONDS,
    SPOKEN_PITCH,
    Timing,
    frame_pitch,
    opened,
    silent_coda,
)
from training.loop import chooser
from training.steps.common import Setting
from training.steps.gpt import GPTTask
from training.steps.speech import MAX_SECONDS, share, timed
from training.unit_space import CODE_RATE
from training.workspace import Utterance

needs_onnx = pytest.mark.skipif(
    importlib.util.find_spec("onnx") is None, reason="training/requirements.txt is not installed"
)


def plan() -> list[Utterance]:
    return [
        Utterance(f"{language}{i}", "", language, "", "v", "train", "plain")
        for i in range(9)
        for language in ("en", "zh")
    ]


def test_every_part_speaks_every_language() -> None:
    parts = [share(plan(), index, 2) for index in (1, 2)]
    for part in parts:
        counts = [sum(row.language == language for row in part) for language in ("en", "zh")]
        assert min(counts) >= 4
    names = sorted(row.name for part in parts for row in part)
    assert names == sorted(row.name for row in plan())


def test_one_part_is_all_of_it() -> None:
    assert share(plan(), 1, 1) == plan()


def test_pitch_is_taken_in_the_middle_of_semantic_frames() -> None:
    # A pitch that tells its own time: 100 Hz and 10 Hz more every 12.5 ms.
    pitch = 100 + 10 * np.arange(200, dtype=np.float32)
    begin = 0.1
    got = frame_pitch(pitch, begin, begin + 1.0)
    assert len(got) == int(CODE_RATE)
    for frame, hertz in enumerate(got):
        middle = begin + (frame + 0.5) / CODE_RATE
        assert abs(hertz - (100 + 10 * middle / PITCH_SECONDS)) <= 10


def test_a_very_low_pitch_is_no_voice() -> None:
    pitch = np.array([LOWEST_PITCH - 1, LOWEST_PITCH + 1] * 40, dtype=np.float32).repeat(2)
    assert set(frame_pitch(pitch, 0.0, 1.0)) == {0, int(LOWEST_PITCH + 1)}


@needs_onnx
def test_the_opened_graph_tells_durations_and_pitch_and_scales_the_pitch() -> None:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["tokens"], [DURATIONS]),
            helper.make_node("Abs", ["tokens"], [PITCH]),
            helper.make_node("Neg", [PITCH], ["audio"]),
        ],
        "teacher",
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    changed = onnx.load_model_from_string(opened(model.SerializeToString()))
    assert [i.name for i in changed.graph.input] == ["tokens", PITCH_FACTOR]
    assert [o.name for o in changed.graph.output] == ["audio", DURATIONS, SPOKEN_PITCH]
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(changed.SerializeToString())
    sound, _, pitch = session.run(
        None,
        {
            "tokens": np.array([-3.0, 2.0], dtype=np.float32),
            PITCH_FACTOR: np.array([2.0], dtype=np.float32),
        },
    )
    assert pitch.tolist() == [6.0, 4.0]
    assert sound.tolist() == [-6.0, -4.0]


def test_a_sentence_ends_later_behind_voiceless_consonants() -> None:
    signs = [("s", 0), ("t", 1), ("ɑ", 2), ("ɹ", 3), ("t", 4), ("s", 4), (".", 5)]
    assert silent_coda(signs) == 2
    assert silent_coda(signs[:4]) == 0


def test_what_cannot_be_learnt_from_is_left_out_and_disagreement_is_an_error() -> None:
    row = Utterance("en1", "a", "en", "EY1 .", "v", "train", "plain")
    timing = Timing(1.0, 0.1, (0.5, 0.9), (100,) * 50)
    done = timed(row, timing)
    assert done is not None
    assert (done.seconds, done.start, done.ends, done.pitch) == tuple(vars(timing).values())
    assert timed(row, Timing(MAX_SECONDS + 1, 0.1, (0.5, 0.9), ())) is None
    with pytest.raises(ValueError, match="1 ends"):
        timed(row, Timing(1.0, 0.1, (0.5,), ()))


def test_the_gpt_learns_from_sentences_without_sound(setting: Setting) -> None:
    silent = [item for item in setting.sentences().items if not item.wave.numel()]
    assert len(silent) == 3
    assert len(setting.sentences().items) == len(setting.train.items) + 3
    task = GPTTask(setting)
    for item in silent:
        assert len(task._codes[item.name]) == len(item.speech) == 50
        assert setting.train.same_voice(item, chooser(0)).wave.numel()
    assert bool(task.advance(0)["loss"].isfinite())
