"""The comparison with another checkout: both do the same, in turns, and the ratios are right."""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.compare import SIDE, VOICE, Pair, Run, Side, main, measure, notes, table
from benchmarks.compare_side import Task, our_engine, printed_stages
from indextts.infer_v2 import IndexTTS2

TASK = Task(
    model_dir="/no/model",
    speaker=str(VOICE),
    text="Hello.",
    seed=3,
    device="cpu",
    threads=1,
    max_mel_tokens=6,
    num_beams=1,
    quality=None,
)
# Another implementation, as far as its interface goes.
STAND_IN = """
import wave

class IndexTTS2:
    def __init__(self, cfg_path, model_dir):
        assert cfg_path == f"{model_dir}/config.yaml"
        print("loading, to the wrong place")

    def infer(self, spk_audio_prompt, text, output_path, max_mel_tokens, num_beams):
        import torch
        assert (text, max_mel_tokens, num_beams, torch.seed) == ("Hello.", 6, 1, 3)
        print(">> gpt_gen_time: 2.00 seconds", ">> gpt_forward_time: 0.50 seconds", sep=chr(10))
        print(">> s2mel_time: 1.25 seconds", ">> bigvgan_time: 0.25 seconds", sep=chr(10))
        print(">> Total inference time: 9.00 seconds")
        with wave.open(output_path, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(100)
            file.writeframes(bytes(2 * 250))
"""
# So that no test waits for the real one.
TORCH = """
seed = None

def set_num_threads(number):
    assert number == 1

def manual_seed(number):
    global seed
    seed = number
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    package = tmp_path / "indextts"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "infer_v2.py").write_text(textwrap.dedent(STAND_IN))
    (tmp_path / "torch.py").write_text(TORCH)
    return tmp_path


def side_of(folder: Path, task: Task = TASK) -> Side:
    told = json.dumps(dataclasses.asdict(task))
    return Side([sys.executable, str(SIDE), told], folder, threads=1, timeout=60.0)


def test_another_implementation_is_driven_and_its_stages_are_read(checkout: Path) -> None:
    side = side_of(checkout)
    try:
        run = side.run()
        assert run.stages == {"gpt": 2.5, "s2mel": 1.25, "vocoder": 0.25}
        assert (run.audio_seconds, run.codes) == (2.5, None)
        assert run.seconds > 0
        assert run.peak_bytes > 0
        assert side.run().stages == run.stages
    finally:
        side.close()


def test_a_checkout_without_an_engine_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(TORCH)
    with pytest.raises(SystemExit, match="ended"):
        side_of(tmp_path)


def test_our_own_engine_tells_its_stages(tiny_model_dir: Path) -> None:
    task = dataclasses.replace(TASK, model_dir=str(tiny_model_dir), quality="fast", weights="fp32")
    speak = our_engine(task, IndexTTS2)
    first, second = speak(), speak()
    assert {"reference", "gpt", "s2mel", "vocoder"} <= set(first.stages)
    assert (first.codes, first.audio_seconds) == (second.codes, second.audio_seconds)
    assert first.audio_seconds > 0


def test_what_others_print_is_read() -> None:
    text = "a_time: 1.5 s\nb_c_time = 2\nTotal inference time: 9 s\ntotal_time: 9\nbigvgan_time: 1"
    assert printed_stages(text) == {"a": 1.5, "b_c": 2.0, "vocoder": 1.0}


class Fake:
    """A side without a process."""

    def __init__(self, name: str, journal: list[str]) -> None:
        self._name, self._journal = name, journal
        self.load = Run(1.0)
        journal.append(f"+{name}")

    def run(self) -> Run:
        self._journal.append(self._name)
        return Run(1.0)

    def close(self) -> None:
        self._journal.append(f"-{self._name}")


def measured(rounds: int, *, fresh: bool) -> str:
    journal: list[str] = []
    makers: list[Callable[[], Side]] = [
        lambda name=name: Fake(name, journal)  # type: ignore[misc, return-value]
        for name in "ab"
    ]
    list(measure(*makers, rounds, fresh=fresh))
    return " ".join(journal)


def test_they_take_turns_at_being_first() -> None:
    assert measured(3, fresh=False) == "+a +b a b a b b a a b -b -a"


def test_one_model_at_a_time_if_wanted() -> None:
    assert measured(2, fresh=True) == "+a a a -a +b b b -b +b b b -b +a a a -a"


def test_ratios_are_those_of_the_rounds() -> None:
    def run(gpt: float, **more: float) -> Run:
        return Run(gpt, stages={"gpt": gpt, **more}, audio_seconds=2.0)

    rounds = [Pair(run(1.0), run(3.0, own=1.0)), Pair(run(2.0), run(4.0)), Pair(run(4.0), run(6.0))]
    told = table([("load", Pair(Run(5.0), Run(10.0))), *(("round", pair) for pair in rounds)])
    rows = {row.split(" | ")[0].strip("| "): row for row in told.splitlines()}
    assert rows["load"] == "| load | 5.000 | 10.000 | 2.00 | 2.00 | 2.00 |"
    assert rows["gpt"] == "| gpt | 2.000 | 4.000 | 1.50 | 2.00 | 3.00 |"
    assert rows["own"] == "| own | - | 1.000 | - | - | - |"
    assert rows["whole, for a second of sound"].endswith("| 1.50 | 2.00 | 3.00 |")
    assert "lengths differ" not in notes([("round", rounds[0])])
    longer = Run(1.0, audio_seconds=3.0)
    assert "lengths differ" in notes([("round", Pair(longer, rounds[0].other))])


@pytest.mark.slow
def test_it_runs_from_the_command_line(
    checkout: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--other", str(checkout), "--model-dir", str(tiny_model_dir), "--rounds", "2"]
    arguments += ["--text", "Hello.", "--seed", "3", "--threads", "1"]
    assert main([*arguments, "--max-mel-tokens", "6", "--num-beams", "1"]) == 0
    told = capsys.readouterr().out
    assert "| gpt | " in told
    assert "other: 2.50 s of sound" in told
