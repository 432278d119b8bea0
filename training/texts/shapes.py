"""What people send: plain sentences turned into long ones, pairs, lists, phrases, single words.

A model that has heard only sentences of four to sixteen words with a full stop babbles on a single
word, loops in a long sentence and does not know where a text without a closing mark ends.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CLOSING = ".?!。？！"
MARKS = CLOSING + ",，、"

# How often each shape is made.
WEIGHTS = {
    "plain": 6,
    "long": 5,
    "pair": 2,
    "phrase": 3,
    "word": 2,
    "interjection": 1,
    "list": 1,
    "question": 1,
}
# Of the shapes other than interjections, so many have no closing mark, and so many end in a comma,
# as a piece of a longer sentence does.
OPEN, COMMA = 0.15, 0.05
# Sentences that the words of a list are taken from.
REMEMBERED = 40


@dataclass(frozen=True, eq=False)
class Language:
    """What shaping has to know.

    Attributes:
        words: the words of a sentence, without marks.
        blank: between words and between sentences.
        stop, comma, ask: marks.
        longest: words that a long sentence or a pair has at most.
        joiners: between two clauses; the comma is put in front.
        last: before the last word of a list.
        questions: around a clause.
        interjections: whole texts.
    """

    words: Callable[[str], list[str]]
    blank: str
    stop: str
    comma: str
    ask: str
    longest: int
    joiners: tuple[str, ...]
    last: str
    questions: tuple[str, ...]
    interjections: tuple[str, ...]

    def clause(self, sentence: str) -> str:
        """A sentence without its closing mark and its capital, to stand in another one."""
        bare = sentence.rstrip(MARKS)
        first = bare.split(" ", 1)[0]
        keeps = first == "I" or first.startswith("I'") or (first.isupper() and len(first) > 1)
        return bare if keeps else bare[:1].lower() + bare[1:]

    def capital(self, text: str) -> str:
        return text[:1].upper() + text[1:]


def shaped(sentences: Iterator[str], language: Language, seed: int) -> Iterator[str]:
    """An endless, deterministic stream of texts from a stream of plain sentences."""
    choose = random.Random(f"{seed}/shapes/{language.stop}")
    recent: deque[list[str]] = deque(maxlen=REMEMBERED)
    while True:
        sentence = next(sentences)
        recent.append(language.words(sentence))
        shape = choose.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if shape == "interjection":
            yield choose.choice(language.interjections)
            continue
        text = _shape(shape, sentence, sentences, language, recent, choose)
        draw = choose.random()
        if draw < OPEN + COMMA:
            text = text.rstrip(CLOSING) + (language.comma if draw < COMMA else "")
        yield text


def _shape(
    shape: str,
    sentence: str,
    more: Iterator[str],
    language: Language,
    recent: deque[list[str]],
    choose: random.Random,
) -> str:
    own = recent[-1]
    if shape in ("long", "pair"):
        second = next(more)
        if len(own) + len(language.words(second)) > language.longest:
            return sentence
        if shape == "pair":
            return f"{sentence}{language.blank}{second}"
        joiner = f"{language.comma}{language.blank}{choose.choice(language.joiners)}"
        first = sentence.rstrip(MARKS)
        return f"{first}{joiner}{language.blank}{language.clause(second)}{language.stop}"
    if shape == "question":
        return choose.choice(language.questions).format(language.clause(sentence))
    if shape == "phrase":
        count = choose.randint(2, min(5, len(own)))
        begin = choose.randrange(len(own) - count + 1)
        words = own[begin : begin + count]
        return language.capital(language.blank.join(words)) + choose.choice(
            (language.stop, language.stop, language.ask)
        )
    if shape == "word":
        return language.capital(choose.choice(own)) + choose.choice(
            (language.stop, language.stop, language.ask)
        )
    if shape == "list":
        words = [choose.choice(choose.choice(recent)) for _ in range(choose.randint(3, 6))]
        front = f"{language.comma}{language.blank}".join(words[:-1])
        text = f"{front}{language.blank}{language.last}{language.blank}{words[-1]}{language.stop}"
        return language.capital(text)
    return sentence


def english() -> Language:
    return Language(
        words=lambda sentence: [word.strip(MARKS) for word in sentence.split()],
        blank=" ",
        stop=".",
        comma=",",
        ask="?",
        longest=26,
        joiners=("and", "but", "so", "because", "while", "and then", "which means that", "or"),
        last="and",
        questions=(
            "Did you know that {}?", "Are you sure that {}?", "Do you think {}?",
            "What if {}?", "How do you know that {}?", "Why did they say that {}?",
            "Can you believe it, {}?",
        ),
        interjections=(
            "Yes.", "No.", "Hello.", "Hi!", "Thanks.", "Thank you.", "Okay.", "Sure.", "Sorry.",
            "Wow!", "Please.", "Stop!", "Wait.", "Go on.", "Well done!", "Of course.", "Really?",
            "Good morning.", "Good night.", "Goodbye.", "See you soon.", "Yes, please.",
            "No, thanks.", "Oh no!", "Come in.", "Never mind.", "Excuse me.", "Help!", "What?",
            "Why?", "Who?", "When?", "Great!", "Right.", "Maybe.", "One.", "Two.", "Three.",
            "Monday.", "Today.", "Yes", "No", "Hello", "Okay", "Thanks",
        ),
    )  # fmt: skip


def mandarin() -> Language:
    def words(sentence: str) -> list[str]:
        import jieba

        return [str(word) for word in jieba.cut(sentence) if word not in MARKS]

    return Language(
        words=words,
        blank="",
        stop="。",
        comma="，",
        ask="？",
        longest=24,
        joiners=("而且", "但是", "所以", "因为", "然后", "不过", "于是", "可是"),
        last="和",
        questions=(
            "你知道{}吗？", "你觉得{}，对不对？", "{}，是真的吗？", "为什么说{}？", "{}，好不好？",
        ),
        interjections=(
            "是。", "不是。", "好。", "好的。", "你好。", "您好！",
            "谢谢。", "谢谢你。", "不客气。", "对不起。", "没关系。", "再见。",
            "当然。", "真的吗？", "早上好。", "晚安。", "等一下。", "请进。",
            "加油！", "太好了！", "没问题。", "为什么？", "什么？", "谁？",
            "可以。", "不行。", "喂？", "走吧。", "一。", "二。",
            "三。", "星期一。", "今天。", "好", "你好", "谢谢",
            "再见",
        ),
    )  # fmt: skip
