from __future__ import annotations

import pytest

from indextts.stages.text.natural.markup import strip_markup
from indextts.stages.text.spans import Tracked


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain text, no marks", "plain text, no marks"),
        ("**b** *i* __u__ ~~s~~ `c`", "b i u s c"),
        ("5*3 and a_b and 2 * 3", "5*3 and a_b and 2 * 3"),
        ("a `b c' d", "a ‘b c' d"),
        ("[label](https://x.org/a) ![alt](b.png)", "label alt"),
        ("<b>x</b><br>Y <unknown> z", "x\nY <unknown> z"),
        ("a &amp; b &lt;c &nope; d", "a & b <c &nope; d"),
        ("<行|xing2>走", "xing2走"),
        ("# Title\ntext", "Title\rtext"),
        ("- a\n- b", "a\rb"),
        ("1. a\n2. b", "1, a\r2, b"),
        ("a\n\nb", "a\r\rb"),
        ("a,\nb", "a, b"),
        ("Roses are red\nViolets", "Roses are red\nViolets"),
        ("a line of prose that somebody's program has broken\nOn its own", None),
        ("```py\ncode\n```\nend", "\rcode\n\rend"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", " a , b \r\r 1 , 2 "),
        ("> said", "said"),
        ("春眠不觉晓 处处闻啼鸟", "春眠不觉晓，处处闻啼鸟"),
        ("今天 天气", "今天 天气"),
    ],
)
def test_marks(text: str, plain: str | None) -> None:
    expected = text.replace("\n", " ") if plain is None else plain
    assert strip_markup(Tracked(text)).text == expected


def test_places() -> None:
    text = "# A\n- **b** [c](d)"
    stripped = strip_markup(Tracked(text))
    assert [text[stripped.place(i)] for i, c in enumerate(stripped.text) if c.isalpha()] == [
        "A",
        "b",
        "[",  # a link is one edit
    ]
