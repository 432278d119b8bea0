from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from indextts.errors import ConfigError, TextError
from indextts.stages.text import TextNormalizer, Verbalizer, load_verbalizer
from tests.indextts.goldens import needs_goldens
from tests.indextts.stages.text.golden_cases import normalized_cases


def never() -> None:
    """The check of a caller who waits."""


@pytest.fixture(scope="module")
def wetext() -> Verbalizer:
    return load_verbalizer("wetext")


# Not from the goldens; WeTextProcessing 1.0.4.1 gives the same.
@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("订单号20231105001已发货", "订单号二零二三幺幺零五零零幺已发货"),
        ("邮编100084", "邮编幺零零零八四"),
        ("500+人", "五零零加人"),
        ("大约5000人", "大约五千人"),
        ("¥1,000", "一千元"),
        ("12999元", "一万两千九百九十九元"),
        ("80年代", "八零年代"),
        ("---", "减减减"),
        ("- 项目一", "减 项目一"),
        ("繁體字", "繁体字"),
        ("ＡＢＣ", "ABC"),
        ("  前后  ", "  前后"),
        ("1键3连", "一键三连"),
    ],
)
def test_chinese(wetext: Verbalizer, text: str, spoken: str) -> None:
    assert wetext.zh(text, never) == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("In 2024, GDP grew 5.2%.", "In twenty twenty four, GDP grew five point two percent."),
        ("We've 2 dogs, don't we?", "We've two dogs, don't we?"),
        ('He said "5 apples" loudly.', 'He said "five apples" loudly.'),
        ("'quoted' 5", "' quoted' five"),
        ("Dr. Smith and Mr. Jones.", "doctor Smith and Mister Jones."),
        ("Tom & Jerry", "Tom and Jerry"),
        ("Mail foo@bar.org.", "Mail foo at bar dot org."),
        ("google.com", "google dot com"),
        ("version 3.2.1", "version three point two point one"),
        ("mid-1990s", "mid-nineteen nineties"),
        ("two  spaces,  5", "two spaces,  five"),
        ('5\\ or 6"', 'five\\ or six"'),
        ("It ended. Then 5 came!", "It ended. Then five came!"),
    ],
)
def test_english(wetext: Verbalizer, text: str, spoken: str) -> None:
    assert wetext.en(text, never) == spoken


@needs_goldens
def test_wetext_with_our_rules_gives_the_reference_text(wetext: Verbalizer) -> None:
    normalizer = TextNormalizer(wetext)
    different = [c["input"] for c in normalized_cases() if not _same(normalizer, c, "normalized")]
    assert different == []


@needs_goldens
@pytest.mark.slow
@pytest.mark.skipif(find_spec("tn") is None, reason="WeTextProcessing is not installed")
def test_wetextprocessing_gives_the_reference_text(tmp_path: Path) -> None:
    normalizer = TextNormalizer(load_verbalizer("wetextprocessing", tmp_path / "cache"))
    for case in normalized_cases():
        assert _same(normalizer, case, "normalized")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["wetextprocessing-1.0.4.1"]


@pytest.mark.skipif(find_spec("tn") is not None, reason="WeTextProcessing is installed")
def test_missing_backend_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pip install WeTextProcessing==1\.0\.4\.1"):
        load_verbalizer("wetextprocessing", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unknown_backend() -> None:
    with pytest.raises(ConfigError, match="choose wetext, wetextprocessing or none"):
        load_verbalizer("espeak")


def test_threads() -> None:
    verbalizer = load_verbalizer("wetext")
    texts = [f"共{n}人，{n}%的人在{n}年。" for n in range(40)]
    alone = [verbalizer.zh(text, never) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: verbalizer.zh(text, never), texts)) == alone
    assert len(set(alone)) == len(texts)


def test_import_is_light() -> None:
    code = (
        "import sys, indextts.stages.text; "
        "assert not {'torch', 'wetext', 'tn', 'sentencepiece'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def _same(normalizer: TextNormalizer, case: dict[str, str], key: str) -> bool:
    return normalizer.normalize(case["input"]) == case[key]


def test_without_a_verbalizer_words_are_read_as_they_stand() -> None:
    normalizer = TextNormalizer(load_verbalizer("none"))
    assert (
        normalizer.normalize("It's a small test; nothing more!")
        == "It is a small test, nothing more!"
    )
    assert normalizer.normalize("你好，世界。xuan4") == "你好,世界.XVAN4"
    assert normalizer.normalize("克里斯托弗·诺兰 well-known") == "克里斯托弗-诺兰 well-known"


@pytest.mark.parametrize("text", ["In 2024", "5%", "一共5个", "¥", "Tom & Jerry", "二○二四年£"])
def test_without_a_verbalizer_numbers_and_signs_are_refused(text: str) -> None:
    with pytest.raises(TextError, match="verbalizer none"):
        TextNormalizer(load_verbalizer("none")).normalize(text)
