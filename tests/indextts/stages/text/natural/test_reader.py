"""What goes beyond single readings: glossary, places in the source, the other scripts."""

from __future__ import annotations

import pytest

from indextts.stages.text.characters import CharacterFolder
from indextts.stages.text.glossary import Glossary, GlossaryEntry
from indextts.stages.text.natural import NaturalReader
from indextts.stages.text.segmentation import spoken_text
from indextts.stages.text.spans import Kind
from tests.indextts.stages.text.natural.conftest import Say, never

GLOSSARY = Glossary(
    (
        GlossaryEntry("M2", zh="M 二", en="em two"),
        GlossaryEntry("AI", zh=None, en="artificial intelligence"),
        GlossaryEntry("红楼", zh="hong2 lou2", en=None),
        GlossaryEntry("C++", zh=None, en="see plus"),
    )
)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("an m2 and XM2", "an em two and XM two"),
        ("m2芯片", "M 二芯片"),
        ("He said ai.", "He said artificial intelligence."),
        ("读红楼梦3遍", "读hong2 lou2梦三遍"),
        ("Use C++ or $5 M2", "Use see plus or five dollars em two"),
    ],
)
def test_glossary(folder: CharacterFolder, text: str, spoken: str) -> None:
    reader = NaturalReader(folder, GLOSSARY)
    assert spoken_text(reader.read(text, never)) == spoken


def test_places_in_the_source(reader: NaturalReader) -> None:
    text = "**Pay** $5 for\u200b ½ kg, Dr. Lee."
    spans = [s for s in reader.read(text, never) if s.kind is Kind.READING]
    assert [(text[s.begin : s.end].strip(), s.text) for s in spans] == [
        ("$5", "five dollars"),
        ("½ kg", "one half kilogram"),
        ("Dr.", "Doctor"),
    ]


def test_other_scripts_are_left_to_the_vocabulary(say: Say) -> None:
    assert say("Привет 안녕 5 cats") == "Привет 안녕 five cats"
