from __future__ import annotations

from collections.abc import Callable

import pytest

from indextts.stages.text import Glossary, TextNormalizer
from indextts.stages.text.glossary import GlossaryEntry
from indextts.stages.text.normalizer import is_chinese


class Recorder:
    """A verbaliser that shows what it is given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def zh(self, text: str, check: Callable[[], None]) -> str:
        self.calls.append(("zh", text))
        return text

    def en(self, text: str, check: Callable[[], None]) -> str:
        self.calls.append(("en", text))
        return text


class Failing:
    def zh(self, text: str, check: Callable[[], None]) -> str:
        raise RuntimeError(text)

    def en(self, text: str, check: Callable[[], None]) -> str:
        raise AssertionError(text)


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("Hello", False),
        ("Hello 你", True),
        ("123", True),
        ("", True),
        ("テスト", True),
        ("abc@test.com", True),
        ("x1.y@test.com", False),
        ("say ni3", True),
        ("say beta1", False),
    ],
)
def test_language_decision(text: str, chinese: bool) -> None:
    assert is_chinese(text) is chinese


@pytest.mark.parametrize(
    ("text", "given", "result"),
    [
        ("where's it's she's mother's", "where is it is she is mother's", None),
        ("GPT-5-Nano is 5-3", "GPT<H>5<H>Nano is 5-3", "GPT-5-Nano is 5-3"),
        ("say (hi): [a] “b” ~c", "say (hi): [a] “b” ~c", "say 'hi', 'a' 'b' -c"),
        ("wait... no......", "wait... no......", "wait… no……"),
        ("cost $5", "cost $5", "cost $5"),
    ],
)
def test_english_path(text: str, given: str, result: str | None) -> None:
    recorder = Recorder()
    spoken = TextNormalizer(recorder).normalize(text)
    assert recorder.calls == [("en", given)]
    assert spoken == (given if result is None else result)


@pytest.mark.parametrize(
    ("text", "given", "result"),
    [
        ("他's好，“你”。 ", "他's好，“你”。", "他's好,'你'."),
        ("晕XUAN4 GPT-4o", "晕<pinyin_a> GPT<H>4o", "晕XVAN4 GPT-4o"),
        ("克里斯托弗·诺兰执导", "<n_a>", "克里斯托弗-诺兰执导"),
        ("：；;，。！？\n·、……《》—～「」$", None, ",,,,.!? -,…''--''."),
        ("只有，，，好", None, "只有,,,好"),
        ("我要<行|XING2>走", "我要PRONPLACEHOLDERaPRONPLACEHOLDER走", "我要<行|XING2>走"),
    ],
)
def test_chinese_path(text: str, given: str | None, result: str) -> None:
    recorder = Recorder()
    assert TextNormalizer(recorder).normalize(text) == result
    assert recorder.calls == [("zh", text if given is None else given)]


def test_failing_chinese_verbaliser_gives_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert TextNormalizer(Failing()).normalize("你好，GPT-5") == ""
    assert "the zh verbaliser failed" in caplog.text


def test_failing_english_verbaliser_leaves_the_text() -> None:
    glossary = Glossary((GlossaryEntry("TTS", zh=None, en="speech"),))
    spoken = TextNormalizer(Failing(), glossary).normalize("where's the TTS-5: 10?")
    assert spoken == "where is the speech-5, 10?"


def test_glossary_follows_the_path() -> None:
    glossary = Glossary((GlossaryEntry("M2", zh="M 二", en="M two"),))
    normalizer = TextNormalizer(Recorder(), glossary)
    assert normalizer.normalize("the m2 chip") == "the M two chip"
    assert normalizer.normalize("m2芯片") == "M 二芯片"
