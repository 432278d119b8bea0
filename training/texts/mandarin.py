"""Mandarin sentences: templates of ours over the words of jieba's dictionary (MIT).

What they say is plain or a little odd; what matters is that every syllable and tone occurs.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib import resources

from indextts.stages.text.phonemes import PhonemeReader

TEMPLATES = (
    "{person}{time}在{place}看见了{n}和{n2}。",
    "我觉得这个{n}比那个{n2}更{a}。",
    "{time}的时候，{person}常常{v}。",
    "如果你想{v}，就先去{place}找{person}。",
    "{person}说{n}很重要，可是我不同意。",
    "请把{n}放在{place}的桌子上。",
    "为什么{person}不喜欢{n}呢？",
    "{place}里有很多{n}，也有一些{n2}。",
    "他们{time}开始{v}，一直忙到晚上。",
    "虽然{n}有点{a}，但是大家都很高兴。",
    "你听说过{n}的故事吗？",
    "{person}花了{number}块钱买了一个{n}。",
    "关于{n}的问题，我们{time}再讨论。",
    "{number}年以前，这里只有{n}。",
    "从{place}到学校要走{number}分钟。",
    "{person}一边{v}，一边想着{n}。",
    "这本书里写的是{n}和{n2}的关系。",
    "{n}、{n2}，还有{n3}，都在{place}。",
    "不要随便{v}，否则{person}会生气。",
    "我们已经{v}了{number}次，还是没有结果。",
    "{a}的{n}让{person}想起了{place}。",
    "谁能告诉我{n}在哪里？",
    "{time}，{person}终于学会了怎么{v}。",
    "他把{n}叫做{n2}，真是太{a}了！",
)
# For syllables that the other sentences do not bring.
CARRIERS = (
    "请跟我读，{w}，再读一遍。",
    "{w}这个词是什么意思？",
    "他慢慢地说出了{w}。",
    "我写了{w}和{w2}。",
)
PERSONS = (
    "妈妈", "爸爸", "老师", "医生", "我朋友", "他哥哥", "小王", "老李", "邻居", "司机", "经理",
    "那个孩子", "我奶奶", "她妹妹", "警察", "服务员",
)  # fmt: skip
PLACES = (
    "学校", "公园", "河边", "超市", "办公室", "车站", "山上", "厨房", "城里", "海边", "医院",
    "广场", "图书馆", "村子", "院子", "北方",
)  # fmt: skip
TIMES = (
    "昨天", "今天早上", "明年", "去年夏天", "下个星期", "晚上", "前天下午", "最近", "春天",
    "周末", "刚才", "后来",
)  # fmt: skip
NUMBERS = (
    "三", "五", "七", "十", "二十", "三十六", "四十八", "九十", "一百", "两千", "六百", "八",
    "十二", "十五",
)  # fmt: skip
# Words of a general dictionary that no one wants to hear from a speech service.
BLOCKED = re.compile(
    "[死杀尸奸淫娼妓嫖毒党军警枪炮弹战匪贼鬼血性裸乳尿屎粪癌奴骂贱狗日]|主席|领导|政治|革命"
)


def vocabulary() -> dict[str, list[str]]:
    """Common words by jieba's part of speech, most frequent first."""
    words: dict[str, list[tuple[int, str]]] = defaultdict(list)
    text = (resources.files("jieba") / "dict.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        word, count, kind = line.split(" ")
        if re.fullmatch("[\u4e00-\u9fa5]{2,3}", word) and not BLOCKED.search(word):
            words[kind].append((int(count), word))
    return {kind: [w for _, w in sorted(rows, reverse=True)] for kind, rows in words.items()}


def sentences(reader: PhonemeReader, seed: int) -> Iterator[str]:
    """An endless, deterministic stream: three sentences of templates, then one carrier."""
    words = vocabulary()
    choose = random.Random(f"{seed}/mandarin")
    nouns, verbs, adjectives = words["n"][:6000], words["v"][:2500], words["a"][:900]
    rare = coverage_words(reader, nouns + verbs + adjectives + words["n"][6000:20000])
    choose.shuffle(rare)
    number = 0
    while True:
        for _ in range(3):
            n, n2, n3 = choose.sample(nouns, 3)
            yield choose.choice(TEMPLATES).format(
                n=n, n2=n2, n3=n3, v=choose.choice(verbs), a=choose.choice(adjectives),
                person=choose.choice(PERSONS), place=choose.choice(PLACES),
                time=choose.choice(TIMES), number=choose.choice(NUMBERS),
            )  # fmt: skip
        w, w2 = rare[number % len(rare)], rare[(number + 7) % len(rare)]
        yield CARRIERS[number % len(CARRIERS)].format(w=w, w2=w2)
        number += 1


def coverage_words(reader: PhonemeReader, words: list[str], times: int = 2) -> list[str]:
    """Words that together hold every syllable with its tone `times` times, as far as there are."""
    seen: dict[str, int] = defaultdict(int)
    chosen = []
    for word in words:
        syllables = reader.pinyin(word)
        if any(seen[s] < times for s in syllables):
            chosen.append(word)
            for s in syllables:
                seen[s] += 1
    return chosen
