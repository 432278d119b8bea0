"""Chinese: money, percentages, temperatures, measures, counts, and ranges of them."""

from __future__ import annotations

import re

from indextts.stages.text.natural.chinese_numbers import count, number
from indextts.stages.text.natural.rules import Rule, after, alternatives, before, listed
from indextts.stages.text.natural.units import CURRENCIES, RATES, UNITS

# Thousands with commas, or a plain run of digits; then decimals.  No part of a version.
NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,5}(?!\d|,\d)|\d++)(?:\.\d++)?+(?!\.\d)"
DASH = r"(?: ?[-–—~−] ?|到|至)"
SCALE = r"(?:[十百千]?(?:万亿|[万亿])|[百千])"
# In front of these 2 is 两.
_MEASURES = listed(
    """
个 位 名 人 口 只 支 枝 条 张 件 本 台 部 辆 架 艘 座 间 家 所 栋 幢 扇
把 双 对 副 套 组 批 群 层 块 片 瓶 杯 碗 盘 袋 盒 箱 包 斤 公斤 千克 克
吨 两 米 公里 千米 厘米 毫米 里 公顷 亩 升 毫升 元 美元 欧元 英镑 日元 块钱
分钱 年 周 天 小时 分钟 秒 秒钟 刻钟 个月 星期 晚 夜 岁 次 遍 趟 回 场 届 倍
种 类 项 款 样 份 篇 首 句 段 行 页 章 节 集 期 轮 步 声 道 门 颗 粒 滴
朵 棵 株 匹 头 尾 根 枚 发 枪 顿 餐 桌 席 排 列 车 船 度 摄氏度 成 股 笔
单 起 宗 桩 阵 番 点儿 勺 匙 壶 罐 桶 筐 盆 缸 锅 捆 串 束 幅 盏 册 剂 针
贴 管 板 扎 斗 尺 寸 瓦 伏 平方米 平方公里 立方米 英尺 英寸 磅 盎司 方 任 辈
处 地 国 省 市 县 校 队 派 党 边 侧 端 面 极 者
"""
)
_NO_TWO = ("两", "单元", "月份", "年级", "年代", "面体", "号", "楼", "日")
_MEASURE_WORD = re.compile(alternatives(_MEASURES))
_SIGN = r"(?P<sign>[-–−+±~≈<>≤≥]|<=|>=)? ?"
_SIGNS = {
    "-": "负",
    "−": "负",
    "–": "负",
    "+": "正",
    "±": "正负",
    "~": "约",
    "≈": "约",
    "<": "小于",
    ">": "大于",
    "≤": "小于等于",
    "<=": "小于等于",
    "≥": "大于等于",
    ">=": "大于等于",
    "": "",
}
_ZH_UNITS = {
    symbol: unit.zh for symbol, unit in UNITS.items() if symbol not in ("%", "‰", "A", "J", "N")
}
_UNIT = alternatives(_ZH_UNITS)
_CURRENCY = alternatives(CURRENCIES)
_SCALED = {"k": "千", "K": "千", "M": "百万", "B": "十亿", "万": "万", "亿": "亿"}

_PERCENT = re.compile(
    rf"{_SIGN}(?P<low>{NUMBER})(?P<first> ?[%‰])?(?:{DASH}(?P<highsign>[-−+])?"
    rf"(?P<high>{NUMBER}))? ?(?P<unit>[%‰])"
)
_MONEY = re.compile(
    rf"(?P<sign>[-−+~≈<>])?(?P<currency>{_CURRENCY}) ?(?P<low>{NUMBER})"
    rf"(?:{DASH}(?:{_CURRENCY})?(?P<high>{NUMBER}))?(?: ?(?P<scale>{SCALE}|[KkMB](?![A-Za-z])))?"
    rf"(?P<named>元|美元|欧元|英镑|日元|人民币)?(?P<rate>/)?"
)
_MONEY_BEHIND = re.compile(
    rf"(?P<sign>[-−+~≈<>])?(?P<low>{NUMBER})(?:{DASH}(?P<high>{NUMBER}))?"
    rf"(?P<scale>{SCALE})? ?(?P<currency>{_CURRENCY})"
    rf"(?![A-Za-z0-9])(?P<named>(?!))?(?P<rate>/)?"
)
_MEASURE = re.compile(
    rf"{_SIGN}(?P<low>{NUMBER})"
    rf"(?:(?: ?(?P<lowunit>{_UNIT}))?{DASH}(?P<highsign>[-−+])?(?P<high>{NUMBER}))?"
    rf" ?(?P<unit>{_UNIT})(?:/(?P<rate>{alternatives(RATES)}))?(?![A-Za-z0-9²³])"
)
_COUNT = re.compile(
    rf"{_SIGN}(?P<low>{NUMBER})"
    rf"(?:(?P<lowscale>{SCALE})?(?P<lowword>(?:(?![到至])[\u4e00-\u9fff]){{0,2}}?){DASH}(?P<high>{NUMBER}))?"
    rf"(?P<scale>{SCALE})?(?P<plus>\+)?"
)
_GLUED_ONLY = frozenset("mshgtlwv")
_TIMES = frozenset(("小时", "秒", "分钟", "天", "周", "月", "年"))


def _percent(match: re.Match[str]) -> str:
    name = "百分之" if match["unit"] == "%" else "千分之"
    sign = _SIGNS[match["sign"] or ""]
    words = f"{sign}{name}{number(match['low'])}"
    if match["high"]:
        words += f"到{_SIGNS[match['highsign'] or '']}{name}{number(match['high'])}"
    return words


def _money(match: re.Match[str]) -> str:
    currency = CURRENCIES[match["currency"]].zh
    scale = match["scale"] or ""
    scale = _SCALED.get(scale, scale)
    name = match["named"] or currency
    if name == "人民币":
        name = "元人民币"
    sign = _SIGNS[match["sign"] or ""]
    low = _plain_money(match["low"])
    if match["high"]:
        words = f"{number(low)}到{number(_plain_money(match['high']))}{scale}{name}"
    else:
        words = f"{count(low) if scale or name != '元' else number(low)}{scale}{name}"
        if low == "2":
            words = f"两{scale}{name}"
    return sign + words + ("每" if match["rate"] else "")


def _plain_money(text: str) -> str:
    """Without the zeros behind the point: 5.00 is 5, 12.50 is 12.5."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _measure(match: re.Match[str]) -> str | None:
    symbol = match["unit"]
    if symbol in _GLUED_ONLY and match[0].endswith(f" {symbol}"):
        return None
    name = UNITS[symbol].zh or (" ".join(symbol) if symbol.isupper() else symbol)
    # Degrees below zero are 零下 in Chinese, all else is negative.
    minus = "零下" if name.endswith("度") and symbol != "°" else "负"
    signs = _SIGNS | {"-": minus, "−": minus, "–": minus}
    amount = signs[match["sign"] or ""] + count(match["low"])
    if match["high"]:
        amount += f"到{signs[match['highsign'] or '']}{count(match['high'])}"
    if not match["rate"]:
        return amount + name
    rate = RATES[match["rate"]][1]
    if rate == "小时" and before(match, 2) == "时速":
        return amount + name
    return f"每{rate}{amount}{name}" if rate in _TIMES else f"{amount}{name}每{rate}"


def _count(match: re.Match[str]) -> str | None:
    """A number in front of a Chinese measure word, or a range of such."""
    low, high = match["low"], match["high"]
    scale = match["scale"] or ""
    behind = after(match, 4).lstrip(" ")
    word = _MEASURE_WORD.match(behind)
    if not scale and (word is None or behind.startswith(_NO_TWO)):
        return None
    if match["plus"] and not (scale or word):
        return None
    front = before(match, 1)
    if front == "第" or (front.isascii() and front.isalnum()):
        return None
    if low[0] == "0" and len(low) > 1 and "." not in low:
        return None
    if high:
        mid = (match["lowscale"] or "") + match["lowword"]
        words = f"{count(low)}{mid}到{count(high)}{scale}"
    else:
        words = f"{count(low)}{scale}"
    sign = _SIGNS[match["sign"] or ""]
    if match["plus"]:
        words += "多" if word else "加"
    return sign + words


AMOUNT_RULES: tuple[Rule, ...] = (
    Rule(
        "percentage",
        _PERCENT,
        _percent,
        {
            "增长10%-20%，约3%": "增长百分之十到百分之二十,约百分之三",
            "下降-5.5%": "下降负百分之五点五",
            "浓度3‰": "浓度千分之三",
        },
    ),
    Rule(
        "money",
        _MONEY,
        _money,
        {
            "只要¥1,280.50": "只要一千二百八十点五元",
            "$5的咖啡": "五美元的咖啡",
            "融资$1.5亿": "融资一点五亿美元",
            "预算¥100-200": "预算一百到二百元",
        },
    ),
    Rule("money behind its number", _MONEY_BEHIND, _money, {"收费50USD一次": "收费五十美元一次"}),
    Rule(
        "measure",
        _MEASURE,
        _measure,
        {
            "面积30㎡，重5㎏": "面积三十平方米,重五千克",
            "今天-10℃": "今天零下十摄氏度",
            "时速120km/h": "时速一百二十公里",
            "以5m/s前进": "以每秒五米前进",
            "气温20-25°C": "气温二十到二十五摄氏度",
            "电压220V": "电压二百二十伏",
            "内存16GB": "内存十六G B",
        },
    ),
    Rule(
        "count",
        _COUNT,
        _count,
        {
            "买2个": "买两个",
            "提升100倍，200项": "提升一百倍,二百项",
            "要3-5天": "要三到五天",
            "3.5亿人": "三点五亿人",
            "有500+个": "有五百多个",
        },
    ),
)
