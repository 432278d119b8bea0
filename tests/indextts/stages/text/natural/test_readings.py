"""The corpus of readings, and the examples that stand beside the rules."""

from __future__ import annotations

import pytest

from indextts.stages.text.glossary import Language
from indextts.stages.text.natural.grammar import tables_of
from indextts.stages.text.natural.rules import Rule
from tests.indextts.stages.text.natural.conftest import Say
from tests.indextts.stages.text.readings import TABLES, readings

SECTIONS = [(table, section) for table in TABLES for section in readings(table)]


@pytest.mark.parametrize(("table", "section"), SECTIONS)
def test_corpus(say: Say, table: str, section: str) -> None:
    heard = {written: say(written) for written, _ in readings(table)[section]}
    assert heard == dict(readings(table)[section])


@pytest.mark.parametrize(("table", "lines"), [("english", 300), ("chinese", 200), ("mixed", 100)])
def test_size_of_the_corpus(table: str, lines: int) -> None:
    assert sum(map(len, readings(table).values())) >= lines


@pytest.mark.parametrize("language", ["en", "zh"])
def test_examples_of_the_rules(say: Say, language: Language) -> None:
    tables = tables_of(language)
    rules: tuple[Rule, ...] = (
        *tables.numbers,
        *tables.words,
        *tables.codes,
        *tables.sums,
        *tables.addresses,
    )
    wanted = {written: spoken for rule in rules for written, spoken in rule.examples.items()}
    assert len(wanted) > 80
    assert {written: say(written) for written in wanted} == wanted
