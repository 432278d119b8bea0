"""Emotion read from a text by the Qwen emotion model (pipeline.md 5)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from indextts.errors import EmotionTextUnavailableError, GenerationError, ModelFileError
from indextts.request import EMOTIONS

LABELS = ("高兴", "愤怒", "悲伤", "恐惧", "反感", "低落", "惊讶", "自然")
"""What the model calls the emotions, in the order of EMOTIONS."""

_SYSTEM_PROMPT = "文本情感分类"
_END_OF_THINKING = 151668
# The answer has some 80 tokens.  The reference allows 32768; a model that goes on for that long
# only keeps everybody waiting.
_MAX_NEW_TOKENS = 1024
_MAX_STRENGTH = 1.2
_PAIR = re.compile(r"""([^\s":.,]+?)"?\s*:\s*([\d.]+)""")
_SINGLE_LABEL_KEYS = ("emotion", "emotion_label", "label", "情感", "情绪")
# The model hears these as plain sadness; the person who wrote them meant melancholy.
_MELANCHOLY_WORDS = (
    "低落",
    "melancholy",
    "melancholic",
    "depression",
    "depressed",
    "gloomy",
)


class EmotionReader:
    """Loads the language model when it is first needed and keeps it.

    Args:
        folder: of the model, or None where the model directory has none.
        device: where to run it.
    """

    def __init__(self, folder: Path | None, device: torch.device) -> None:
        self._folder = folder
        self._device = device
        self._lock = threading.Lock()
        self._model: Any = None
        self._tokenizer: Any = None

    @property
    def available(self) -> bool:
        return self._folder is not None

    def read(
        self, text: str, seed: int, on_step: Callable[[int], None] | None = None
    ) -> tuple[float, ...]:
        """Eight strengths, 0 to 1.2, in the order of EMOTIONS.

        Args:
            text: what to judge.
            seed: of the sampling, if the model's generation config asks for it.
            on_step: called before every token with its number; may raise to stop.

        Raises:
            EmotionTextUnavailableError: there is no such model in the model directory.
            GenerationError: the model's answer names no emotion strengths.
        """
        # One text at a time: the library samples from the global random state.
        with self._lock:
            answer = self._ask(text, seed, on_step)
        return parse_answer(answer, text)

    def _load(self) -> None:
        if self._folder is None:
            raise EmotionTextUnavailableError(
                "emotion from text needs the folder qwen0.6bemo4-merge in the model directory; "
                "fetch it with: indextts download"
            )
        from transformers import AutoModelForCausalLM, AutoTokenizer

        dtype = torch.float32 if self._device.type == "cpu" else torch.float16
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=False
            )
            self._model = AutoModelForCausalLM.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=False, dtype=dtype
            ).to(self._device)
        except (OSError, ValueError, KeyError) as error:
            raise ModelFileError(
                self._folder, f"cannot be loaded ({error}).", "Fetch it with: indextts download"
            ) from error

    def _ask(self, text: str, seed: int, on_step: Callable[[int], None] | None) -> str:
        if self._model is None:
            self._load()
        tokenizer = self._tokenizer
        prompt = tokenizer.apply_chat_template(
            [{"role": "system", "content": _SYSTEM_PROMPT}, {"role": "user", "content": text}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        inputs = tokenizer([prompt], return_tensors="pt").to(self._device)
        length = inputs["input_ids"].shape[1]

        def watch(ids: Tensor, scores: Any, **_: Any) -> Tensor:
            if on_step is not None:
                on_step(ids.shape[1] - length)
            return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

        devices = [self._device] if self._device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            output = self._model.generate(
                **inputs,
                max_new_tokens=_MAX_NEW_TOKENS,
                pad_token_id=tokenizer.eos_token_id,
                stopping_criteria=[watch],
            )
        ids = output[0][length:].tolist()
        if _END_OF_THINKING in ids:
            ids = ids[len(ids) - ids[::-1].index(_END_OF_THINKING) :]
        return str(tokenizer.decode(ids, skip_special_tokens=True))


def parse_answer(answer: str, text: str) -> tuple[float, ...]:
    """Strengths from what the model wrote about `text`, in the order of EMOTIONS.

    Raises:
        GenerationError: a strength is no number.
    """
    content = _parse(answer)
    scores: dict[str, object] = dict(content) if isinstance(content, Mapping) else {}
    if scores and any(word in text.lower() for word in _MELANCHOLY_WORDS):
        sad, low = scores.get("悲伤", 0.0), scores.get("低落", 0.0)
        scores["悲伤"], scores["低落"] = low, sad
    single = _label(content) or _single_label(scores)
    if single is not None:
        scores = {single: 1.0}
    for label in LABELS:
        named = _label(scores.get(label))
        if named is not None:
            scores[label] = 1.0 if named == label else 0.0
            scores[named] = 1.0
    strengths = tuple(_strength(scores.get(label, 0.0)) for label in LABELS)
    if all(value <= 0 for value in strengths):
        return tuple(1.0 if name == "calm" else 0.0 for name in EMOTIONS)
    return strengths


def _parse(answer: str) -> object:
    try:
        content: object = json.loads(answer)
    except ValueError:
        return {key: _number(value) for key, value in _PAIR.findall(answer)}
    return content


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise GenerationError(f"the emotion model gave {value!r} as a strength") from error


def _label(value: object) -> str | None:
    """The Chinese label that a string stands for, if it stands for one."""
    if not isinstance(value, str):
        return None
    word = value.strip()
    if word in LABELS:
        return word
    english = dict(zip(EMOTIONS, LABELS, strict=True))
    return english.get(word.lower())


def _single_label(scores: Mapping[str, object]) -> str | None:
    """The one emotion of an answer that names a label instead of strengths."""
    if any(label in scores for label in LABELS):
        return None
    candidates = (_label(scores.get(key)) for key in _SINGLE_LABEL_KEYS)
    return next((label for label in candidates if label is not None), None)


def _strength(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise GenerationError(f"the emotion model gave {value!r} as a strength") from error
    return min(max(number, 0.0), _MAX_STRENGTH)
