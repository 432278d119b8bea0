"""Toned syllables (``hang2``) where they are meant as such."""

from __future__ import annotations

import re

from indextts.stages.text.natural.rules import listed
from indextts.stages.text.protect import spell_pinyin

# All syllables of Mandarin but a, o, e: with a digit those are names of things (A4, o3).
_SYLLABLES = frozenset(
    listed(
        """
ai an ang ao ba bai ban bang bao bei ben beng bi bian biao bie bin bing bo bu ca cai can cang cao
ce cen ceng cha chai chan chang chao che chen cheng chi chong chou chu chua chuai chuan chuang
chui chun chuo ci cong cou cu cuan cui cun cuo da dai dan dang dao de dei den deng di dia dian
diao die ding diu dong dou du duan dui dun duo ei en eng er fa fan fang fei fen feng fo fou fu ga
gai gan gang gao ge gei gen geng gong gou gu gua guai guan guang gui gun guo ha hai han hang hao
he hei hen heng hong hou hu hua huai huan huang hui hun huo ji jia jian jiang jiao jie jin jing
jiong jiu ju juan jue jun jv jvan jve jvn ka kai kan kang kao ke kei ken keng kong kou ku kua kuai
kuan kuang kui kun kuo la lai lan lang lao le lei leng li lia lian liang liao lie lin ling liu lo
long lou lu luan lun luo lv lve ma mai man mang mao me mei men meng mi mian miao mie min ming miu
mo mou mu na nai nan nang nao ne nei nen neng ng ni nian niang niao nie nin ning niu nong nou nu
nuan nuo nv nve ou pa pai pan pang pao pei pen peng pi pian piao pie pin ping po pou pu qi qia
qian qiang qiao qie qin qing qiong qiu qu quan que qun qv qvan qve qvn ran rang rao re ren reng ri
rong rou ru ruan rui run ruo sa sai san sang sao se sen seng sha shai shan shang shao she shei
shen sheng shi shou shu shua shuai shuan shuang shui shun shuo si song sou su suan sui sun suo ta
tai tan tang tao te teng ti tian tiao tie ting tong tou tu tuan tui tun tuo wa wai wan wang wei
wen weng wo wu xi xia xian xiang xiao xie xin xing xiong xiu xu xuan xue xun xv xvan xve xvn ya
yan yang yao ye yi yin ying yo yong you yu yuan yue yun za zai zan zang zao ze zei zen zeng zha
zhai zhan zhang zhao zhe zhei zhen zheng zhi zhong zhou zhu zhua zhuai zhuan zhuang zhui zhun zhuo
zi zong zou zu zuan zui zun zuo
"""
    )
)
# Codes that look like syllables.
_CODES = frozenset(listed("MI5 BA1 BA2 BA4 BA5 HE2 WAN2"))
_TONED = re.compile(
    r"(?P<syllable>[A-Za-z]{2,6})(?P<tone>[1-5])(?![0-9]|[.-]\d)(?![A-Za-z]{1,6}(?![A-Za-z1-5]))"
)
_CHAIN = re.compile(r"[ ,]?[A-Za-z]{2,6}[1-5](?![0-9])")
_CHINESE_BEFORE = re.compile(r"[\u3400-\u9fff1-5][ ，。、,.!?“”'《》]{0,2}$")
_CHINESE_BEHIND = re.compile(r"[ ，。、,.!?“”'《》]{0,2}[\u3400-\u9fff]")


def read_pinyin(text: str, at: int, *, chinese: bool) -> tuple[int, str] | None:
    """A toned syllable at a place, spelled as the vocabulary has it.

    In Chinese it has to stand beside a Chinese character or another syllable, elsewhere beside
    another syllable.
    """
    match = _TONED.match(text, at)
    if match is None or match["syllable"].lower() not in _SYLLABLES or match[0] in _CODES:
        return None
    front, behind = text[max(0, at - 3) : at], text[match.end() : match.end() + 10]
    next_to = bool(_CHAIN.match(behind)) or bool(
        re.search(r"[A-Za-z][1-5] ?$", text[max(0, at - 4) : at])
    )
    if chinese:
        next_to = next_to or bool(_CHINESE_BEFORE.search(front) or _CHINESE_BEHIND.match(behind))
        next_to = next_to or not (front.strip() or behind.strip())
    if not next_to:
        return None
    return match.end(), spell_pinyin(match["syllable"] + match["tone"]).upper()
