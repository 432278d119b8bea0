from __future__ import annotations

import pytest

from app.clips.errors import AudioInputError
from app.clips.fetch.url import Url, parse_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a.example", Url("http", "a.example", 80, "/")),
        ("HTTPS://A.Example:443/", Url("https", "a.example", 443, "/")),
        ("http://a.example:/x", Url("http", "a.example", 80, "/x")),
        ("http://a.example./x?y=1#z", Url("http", "a.example", 80, "/x?y=1")),
        ("http://my_host.example/", Url("http", "my_host.example", 80, "/")),
        ("http://8.8.8.8:8080/", Url("http", "8.8.8.8", 8080, "/")),
        ("http://[2606:4700:0::1]:81/", Url("http", "2606:4700::1", 81, "/")),
        (
            "http://m\u00fcnchen.example/\u00fc?\u00fc",
            Url("http", "xn--mnchen-3ya.example", 80, "/%C3%BC?%C3%BC"),
        ),
        ("http://fa\u00df.example/", Url("http", "xn--fa-hia.example", 80, "/")),
        ("http://a.example/a%20b%2Fc+d;e", Url("http", "a.example", 80, "/a%20b%2Fc+d;e")),
        ('http://a.example/"<>^`{}', Url("http", "a.example", 80, "/%22%3C%3E%5E%60%7B%7D")),
        ("http://a.example//b", Url("http", "a.example", 80, "//b")),
        ("ftp://a.example/x", Url("ftp", "a.example", 21, "/x")),
        (
            "ftp://u:p%40%C3%BC@a.example/x",
            Url("ftp", "a.example", 21, "/x", "u", "p@\u00c3\u00bc"),
        ),
        ("ftp://u@a.example/x", Url("ftp", "a.example", 21, "/x", "u")),
    ],
)
def test_parse(text: str, expected: Url) -> None:
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    ("text", "authority", "normal"),
    [
        ("http://A.example:80/x#y", "a.example", "http://a.example/x"),
        ("https://a.example:80/", "a.example:80", "https://a.example:80/"),
        ("http://[2606::1]/", "[2606::1]", "http://[2606::1]/"),
        ("ftp://me:secret@a.example:2121/x", "a.example:2121", "ftp://a.example:2121/x"),
    ],
)
def test_authority_and_text(text: str, authority: str, normal: str) -> None:
    url = parse_url(text)
    assert url.authority == authority
    assert url.text == normal
    assert parse_url(normal).text == normal


def test_repr_hides_the_login() -> None:
    assert "secret" not in repr(parse_url("ftp://me:secret@a.example/x"))


def test_longest_url() -> None:
    base = "http://a.example/"
    assert parse_url(base + "a" * (2048 - len(base))).target.startswith("/aaa")
    with pytest.raises(AudioInputError):
        parse_url(base + "a" * (2049 - len(base)))
