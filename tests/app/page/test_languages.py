"""English and Chinese."""

from __future__ import annotations

from pathlib import Path

import yaml
from playwright.sync_api import expect

from app.clips.errors import Code
from app.runner.engine import TextFault
from tests.app.gunicorn_server import Server
from tests.app.page.conftest import BROWSER_TEST, Visitor, finished, speak

pytestmark = BROWSER_TEST

ROOT = Path(__file__).resolve().parents[3]
WORDS = """async name => {
  const { href } = document.querySelector(`link[href$="words-${name}.js"]`);
  return (await import(href)).default;
}"""


def test_the_language_is_the_browsers(server: Server, visit: Visitor) -> None:
    page = visit(server, locale="zh-CN")
    expect(page.locator("#speak")).to_have_text("开始朗读")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    assert "早上好" in page.locator("#text").input_value()
    speak(page, "你好。")
    finished(page)
    expect(page.locator("#status")).to_contain_text("完成")
    assert "首段声音" in page.locator(".numbers").inner_text()


def test_the_switch_changes_everything_at_once_and_is_remembered(
    server: Server, visit: Visitor
) -> None:
    page = visit(server)
    speak(page, "Hello.")
    finished(page)
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#speak")).to_have_text("开始朗读")
    visible = page.locator("main").inner_text()
    for english in ("Voice", "Emotion", "Speed", "First sound", "Finished", "Download", "Upload"):
        assert english not in visible
    # What somebody has typed stays.
    assert page.locator("#text").input_value() == "Hello."
    page.reload()
    expect(page.locator("#speak")).to_have_text("开始朗读")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#speak")).to_have_text("Speak")


def test_another_language_gets_english(server: Server, visit: Visitor) -> None:
    expect(visit(server, locale="de-DE").locator("#speak")).to_have_text("Speak")


def test_every_word_is_there_in_both_languages(server: Server, visit: Visitor) -> None:
    page = visit(server)
    english: dict[str, str] = page.evaluate(WORDS, "en")
    chinese: dict[str, str] = page.evaluate(WORDS, "zh")
    config = yaml.safe_load((ROOT / "models/demo/config.yaml").read_text(encoding="utf-8"))
    notice = config["notice"]
    assert set(chinese) == set(english) | {notice}
    used: list[str] = page.evaluate(
        """() => {
          const templates = [...document.querySelectorAll("template")];
          const roots = [document, ...templates.map(template => template.content)];
          const names = ["say", "sayLabel", "sayPlaceholder", "sayTitle"];
          return roots.flatMap(root => [...root.querySelectorAll("*")])
            .flatMap(element => names.map(name => element.dataset[name])).filter(Boolean);
        }"""
    )
    # The notice of the stand-in is shown as it stands.
    assert set(used) - set(english) == {"It only hums."}
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "app/page").glob("*.js")]
    asked = "\n".join(text for text in sources if "export default {" not in text)
    made = ("state.", "emotion.", "problem.", "refused.")
    unused = [
        key
        for key in set(english) - set(used)
        if f'"{key}"' not in asked and not key.startswith(made)
    ]
    assert unused == []
    places = {key: sorted(set(_places(text))) for key, text in english.items()}
    assert {key: sorted(set(_places(chinese[key]))) for key in english} == places


def test_every_refusal_that_the_page_can_meet_has_words(server: Server, visit: Visitor) -> None:
    english: dict[str, str] = visit(server).evaluate(WORDS, "en")
    assert [fault for fault in TextFault if f"refused.{fault}" not in english] == []
    # The page sends files and stored voices, never an address or digits.
    assert {code for code in Code if f"refused.{code}" not in english} == {
        *(Code.UNRECOGNISED, Code.BAD_HEX, Code.BAD_DATA_URI, Code.BAD_URL, Code.BAD_SCHEME),
        *(Code.CREDENTIALS, Code.BAD_PORT, Code.BLOCKED_ADDRESS, Code.UNRESOLVABLE),
        *(Code.BAD_CERTIFICATE, Code.BAD_REDIRECT, Code.TOO_MANY_REDIRECTS, Code.SOURCE_REFUSED),
        *(Code.PROTOCOL_ERROR, Code.ENCODED_BODY, Code.TRUNCATED, Code.TIMEOUT),
        Code.UNREACHABLE,
    }


def _places(text: str) -> list[str]:
    return [part.split("}")[0] for part in text.split("{")[1:]]
