from __future__ import annotations

from collections.abc import Callable

import pytest

from indextts.stages.text.characters import CharacterFolder, simplified_table
from indextts.stages.text.glossary import Glossary
from indextts.stages.text.natural import NaturalReader
from indextts.stages.text.segmentation import spoken_text
from indextts.stages.text.verbalizer import load_simplifier

Say = Callable[[str], str]


def never() -> None:
    """The check of a caller who waits."""


@pytest.fixture(scope="session")
def folder() -> CharacterFolder:
    return CharacterFolder(simplified_table(load_simplifier()))


@pytest.fixture(scope="session")
def reader(folder: CharacterFolder) -> NaturalReader:
    return NaturalReader(folder, Glossary())


@pytest.fixture(scope="session")
def say(reader: NaturalReader) -> Say:
    return lambda text: spoken_text(reader.read(text, never))
