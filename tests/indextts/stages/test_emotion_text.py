from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from indextts.errors import (
    CancelledError,
    EmotionTextUnavailableError,
    GenerationError,
    ModelFileError,
)
from indextts.stages import emotion_text
from indextts.stages.emotion_text import EmotionReader, parse_answer

CALM = (0.0,) * 7 + (1.0,)


@pytest.mark.parametrize(
    ("answer", "text", "expected"),
    [
        ('{"高兴": 0.8, "自然": 0.2}', "x", (0.8, 0, 0, 0, 0, 0, 0, 0.2)),
        ('{"高兴": 5, "愤怒": -1}', "x", (1.2, 0, 0, 0, 0, 0, 0, 0)),
        ("高兴: 0.5, 愤怒: 0.25", "x", (0.5, 0.25, 0, 0, 0, 0, 0, 0)),
        ("no idea", "x", CALM),
        ("[1, 2]", "x", CALM),
        ('{"悲伤": 0.9, "低落": 0.1}', "I feel gloomy", (0, 0, 0.1, 0, 0, 0.9, 0, 0)),
        ('{"悲伤": 0.9}', "他很低落", (0, 0, 0, 0, 0, 0.9, 0, 0)),
        ('"Sad"', "x", (0, 0, 1, 0, 0, 0, 0, 0)),
        ('{"emotion": " angry "}', "x", (0, 1, 0, 0, 0, 0, 0, 0)),
        ('{"情绪": "恐惧"}', "x", (0, 0, 0, 1, 0, 0, 0, 0)),
        ('{"emotion": "angry", "高兴": 0.5}', "x", (0.5, 0, 0, 0, 0, 0, 0, 0)),
        ('{"高兴": "surprised"}', "x", (0, 0, 0, 0, 0, 0, 1, 0)),
        ('{"反感": "反感"}', "x", (0, 0, 0, 0, 1, 0, 0, 0)),
    ],
)
def test_answers(answer: str, text: str, expected: tuple[float, ...]) -> None:
    assert parse_answer(answer, text) == pytest.approx(expected)


@pytest.mark.parametrize("answer", ['{"高兴": [1]}', '{"高兴": "very"}', "高兴: 1.2.3"])
def test_strengths_that_are_no_numbers(answer: str) -> None:
    with pytest.raises(GenerationError, match="strength"):
        parse_answer(answer, "x")


def test_missing_model_says_how_to_get_it() -> None:
    reader = EmotionReader(None, torch.device("cpu"))
    assert not reader.available
    with pytest.raises(EmotionTextUnavailableError, match="indextts download"):
        reader.read("hello", seed=0)


@pytest.fixture(scope="module")
def qwen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of the right kind with random weights, and a tokenizer of single bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("qwen")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: index for index, character in enumerate(["<|im_end|>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>")
    fast.chat_template = (
        "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
        "{% if not enable_thinking %}answer:{% endif %}"
    )
    fast.save_pretrained(folder)
    config = Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        eos_token_id=0,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    generation = {"do_sample": True, "temperature": 1.0, "eos_token_id": 0}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder


def test_the_model_is_asked(qwen_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emotion_text, "_MAX_NEW_TOKENS", 12)
    answers: list[str] = []
    monkeypatch.setattr(
        emotion_text, "parse_answer", lambda answer, text: answers.append(answer) or CALM
    )
    reader, steps = EmotionReader(qwen_folder, torch.device("cpu")), []
    before = torch.random.get_rng_state()
    assert reader._model is None, "it is loaded when it is first asked"
    for seed in (1, 1, 2):
        assert reader.read("how sad", seed, steps.append) == CALM
    assert torch.equal(before, torch.random.get_rng_state())
    assert answers[0] == answers[1] != answers[2]
    assert steps[:3] == [1, 2, 3]


def test_asking_can_be_stopped(qwen_folder: Path) -> None:
    def stop(step: int) -> None:
        if step == 3:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        EmotionReader(qwen_folder, torch.device("cpu")).read("how sad", 1, stop)


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelFileError, match="indextts download"):
        EmotionReader(tmp_path, torch.device("cpu")).read("how sad", 1)
