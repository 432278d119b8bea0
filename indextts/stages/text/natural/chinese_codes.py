"""Chinese: numbers that are names, read digit by digit."""

from __future__ import annotations

import re

from indextts.stages.text.natural.chinese_numbers import cardinal, digits, name
from indextts.stages.text.natural.rules import Rule, after, before

# Words that say that the digits behind them are dialled, typed or copied.
_CODE_CUE = re.compile(
    r"(?:编号|号码|房号|房间号|门牌号?|QQ号?|微信号?|学号|工号|账号|帐号|卡号|证号|身份证号?|单号|序号|车牌号?|代码|邮编|邮政编码|验证码|密码"
    r"|尾号|区号|型号|批号|口令|电话|手机|手机号|热线|致电|拨打|拨|传真|客服|联系方式|端口|取件码|提取码|兑换码|激活码|邀请码|转|分机|航班|车次|代号|群号?|股票代码|ID|PIN)"
    r"(?:号码|号|码)?(?:就?是|为|[:： ])*$"
)
_DIAL_CUE = re.compile(
    r"(?:电话|手机号?|热线|致电|拨打|拨|打|呼叫|客服|报警|急救|联系)(?:号码|号)?"
    r"(?:就?是|为|[:： 了])*$"
)
_PHONE = re.compile(r"(?P<plus>\+)?(?P<all>\d{2,5}(?:[- ]\(?\d{2,8}\)?){1,4})(?!\d|-\d|[.:%]\d)")
_MOBILE = re.compile(r"(?P<all>1[3-9]\d{9})(?!\d)")
_PLUS_PHONE = re.compile(r"\+(?P<all>\d{7,15})(?!\d)")
_IDENTITY = re.compile(r"(?P<all>\d{17}[\dXx])(?![\dA-Za-z])")
_ADDRESS = re.compile(
    r"(?P<ip>\d{1,3}(?:\.\d{1,3}){3})(?P<mask>/\d{1,2})?(?::(?P<port>\d{1,5}))?(?![\d.]{0,8}\d)"
)
_VERSION = re.compile(r"(?P<all>\d{1,6}(?:\.\d{1,6}){2,4})(?!\d)")
_ROOM = re.compile(
    r"(?P<house>\d{1,3}(?:号楼?|栋|幢|单元)?)(?P<rest>(?: ?- ?\d{1,4}){1,3})"
    r"(?=号|房|室|单元|铺|栋|座)"
)
_FIGURE = re.compile(r"(?P<a>\d{1,3})[-–](?P<b>\d{1,3})(?![\d-])")
_FIGURE_CUE = re.compile(r"(?:图|表|例|式|题|附录|照片|公式|算法|卷|F-|T-) ?$")
_SERVICE = re.compile(r"(?P<all>1[0-2]\d|1[0-2]\d{3}|9[5-6]\d{3})(?![\d.,%])")
_DIAL_BEHIND = re.compile(r"电话|急救|报警|指挥|火警|热线|平台|客服")
_NAMED = re.compile(
    r"(?P<all>\d{3,4})(?=房|室|航班|次列车|次航班|路公交|路车|国道|省道|医院|团|高地|班次)"
)
_GROUPS = re.compile(r"(?P<all>\d{1,6}(?:-\d{1,6}){1,4})(?![\d-])")
_GROUPS_CUE = re.compile(
    r"(?:取件码|提取码|编号|单号|型号|货架|座位|车位|批号|学号)(?:号|是|为|[:： ])*$"
)
_THING = re.compile(r"(?P<all>\d{3,4})(?![\dA-Za-z%°]|[.,:]\d| ?[个位名人次只条元块分年行倍字])")
_THING_CUE = re.compile(r"(?<![A-Za-z])(?:[A-Z]{2,5}|Room|Form|Error|Boeing|Route|Flight) $")
_PLATE = re.compile(r"[\u4e00-\u9fff][A-Z][·. ]?$")
_STANDARD = re.compile(r"(?P<a>\d{2,6}(?:\.\d{1,2})?)-(?P<b>(?:19|20)\d\d)(?!\d)")
_FAMOUS_DAY = re.compile(
    r"(?P<month>1?\d)\.(?P<day>[1-3]?\d)"
    r"(?=晚会|事变|事件|大促|购物节|表白"
    r"|运动)"
)
_AREA = re.compile(r"\((?P<area>0\d{2,3})\) ?(?P<rest>\d{3,4}-?\d{4})(?!\d)")
_LONG = re.compile(r"(?P<all>\d{2,})(?![\d%]|[.,:]\d)")
_SLANG = re.compile(
    r"(?P<all>666+|996|007|520|1314|233+|985|211|618|404|315)(?![\d%A-Za-z°/-]"
    r"|[.,:]\d|[\u4e00-\u9fff]?[个位名人只条张件本元块斤克米项倍次天年岁页度万亿分]| ?[~]\d)"
)
_ODD = re.compile(r"(?P<all>0\d{0,2}(?:,\d{3}){1,5})(?![\d]|[.,]\d)")
# Bare digits beyond this are no quantity unless they are round.
_LONGEST_COUNT = 8


def _spoken(text: str) -> str:
    return digits(text, yao=True)


def _phone(match: re.Match[str]) -> str | None:
    groups = re.findall(r"\d+", match["all"])
    sizes = [len(group) for group in groups]
    total = sum(sizes)
    blanks = " " in match["all"]
    shaped = (
        bool(match["plus"])
        or (groups[0][0] == "0" and 10 <= total <= 12)
        or (groups[0] in ("400", "800") and total == 10)
        or (sizes[0] == 3 and total == 11 and groups[0][0] == "1")
        or (sizes == [4, 4, 4, 4] or sizes == [4, 4, 4, 4, 3])
    )
    cued = bool(_CODE_CUE.search(before(match, 12))) and total >= 5
    if not (7 <= total <= 19 and shaped) and not (cued and not (blanks and total > 19)):
        return None
    return ("加" if match["plus"] else "") + ",".join(map(_spoken, groups))


def _whole(match: re.Match[str]) -> str:
    return _spoken(match["all"])


def _plus_phone(match: re.Match[str]) -> str:
    return "加" + _spoken(match["all"])


def _identity(match: re.Match[str]) -> str:
    text = match["all"]
    words = ",".join(_spoken(part) for part in (text[:6], text[6:14], text[14:17]))
    return words + (_spoken(text[17]) if text[17].isdecimal() else "X")


def _address(match: re.Match[str]) -> str | None:
    parts = match["ip"].split(".")
    if any(int(part) > 255 for part in parts):
        return None
    words = "点".join(digits(part, yao=True) for part in parts)
    if match["mask"]:
        words += f"斜杠{cardinal(match['mask'][1:])}"
    return words + (f"端口{digits(match['port'])}" if match["port"] else "")


def _version(match: re.Match[str]) -> str:
    parts = match["all"].split(".")
    return "点".join(digits(p) if p[0] == "0" or len(p) > 3 else cardinal(p) for p in parts)


def _room(match: re.Match[str]) -> str | None:
    parts = re.findall(r"\d+", match["rest"])
    house = re.match(r"\d+", match["house"])
    tail = after(match, 1)
    if house is None or (len(parts) == 1 and len(parts[0]) < 3 and tail not in "室单"):
        return None
    unit = match["house"][house.end() :]
    words = [name(part) if len(part) < 3 else _spoken(part) for part in parts]
    return name(house[0]) + (unit or "杠") + "杠".join(words)


def _figure(match: re.Match[str]) -> str | None:
    if not _FIGURE_CUE.search(before(match, 4)):
        return None
    return f"{cardinal(match['a'])}杠{cardinal(match['b'])}"


def _service(match: re.Match[str]) -> str | None:
    cued = _DIAL_CUE.search(before(match, 8)) or _DIAL_BEHIND.match(after(match, 4))
    return _spoken(match["all"]) if cued else None


def _groups(match: re.Match[str]) -> str | None:
    if not _GROUPS_CUE.search(before(match, 12)):
        return None
    return "杠".join(map(_spoken, match["all"].split("-")))


def _famous_day(match: re.Match[str]) -> str:
    return digits(match["month"] + match["day"])


def _standard(match: re.Match[str]) -> str | None:
    if not re.search(r"(?:GB|ISO|IEC|IEEE|EN|DB|YY|JB|/T|/Z) ?$", before(match, 6)):
        return None
    return f"{digits(match['a'])}杠{digits(match['b'])}"


def _area(match: re.Match[str]) -> str:
    return f"{_spoken(match['area'])},{_spoken(match['rest'])}"


def _thing(match: re.Match[str]) -> str | None:
    return digits(match["all"]) if _THING_CUE.search(before(match, 12)) else None


def _long(match: re.Match[str]) -> str | None:
    text = match["all"]
    if len(text) == 2 and after(match, 1) in "年月日号点时分秒" and after(match, 1):
        return None
    if len(text) == 5 and _PLATE.search(before(match, 3)):
        return _spoken(text)
    if text[0] == "0" or _CODE_CUE.search(before(match, 12)):
        return _spoken(text)
    if len(text) > _LONGEST_COUNT and not text.endswith("0000"):
        unit = re.match(r"[万亿元个人次吨米名位股份]", after(match, 1))
        return None if unit and len(text) <= 16 else _spoken(text)
    return None


def _digits_of_slang(match: re.Match[str]) -> str:
    return (
        _spoken(match["all"])
        if "1" in match["all"][1:] and match["all"][0] == "2"
        else digits(match["all"])
    )


CODE_RULES: tuple[Rule, ...] = (
    Rule("area code", _AREA, _area, {"电话(010)8888-6666": "电话零幺零,八八八八六六六六"}),
    Rule("code in groups", _GROUPS, _groups, {"取件码3-2-1045": "取件码三杠二杠幺零四五"}),
    Rule(
        "telephone number",
        _PHONE,
        _phone,
        {
            "电话：0373-8850893，请拨打": "电话,零三七三,八八五零八九三,请拨打",
            "拨打400-123-4567": "拨打四零零,幺二三,四五六七",
            "138 0013 8000": "幺三八,零零幺三,八零零零",
        },
    ),
    Rule(
        "mobile number",
        _MOBILE,
        _whole,
        {"号码是13800138000对吗": "号码是幺三八零零幺三八零零零对吗"},
    ),
    Rule(
        "telephone number in one piece",
        _PLUS_PHONE,
        _plus_phone,
        {"请打+8613800138000": "请打加八六幺三八零零幺三八零零零"},
    ),
    Rule(
        "number of an identity card",
        _IDENTITY,
        _identity,
        {"身份证11010519491231002X": "身份证幺幺零幺零五,幺九四九幺二三幺,零零二X"},
    ),
    Rule(
        "address of a machine",
        _ADDRESS,
        _address,
        {"连接192.168.1.1": "连接幺九二点幺六八点幺点幺"},
    ),
    Rule("version", _VERSION, _version, {"升级到2.3.1": "升级到二点三点一"}),
    Rule(
        "room",
        _ROOM,
        _room,
        {"住在3-202房间": "住在三杠二零二房间", "住5栋1602室": "住五栋幺六零二室"},
    ),
    Rule("number of a figure", _FIGURE, _figure, {"见图3-1": "见图三杠一"}),
    Rule("day that has a name", _FAMOUS_DAY, _famous_day, {"9.18事变": "九一八事变"}),
    Rule(
        "number of a standard",
        _STANDARD,
        _standard,
        {"通过ISO 9001-2015认证": "通过ISO 九零零一杠二零一五认证"},
    ),
    Rule("number of a thing", _THING, _thing, {"显卡RTX 4090很贵": "显卡RTX 四零九零很贵"}),
    Rule("number of a service", _SERVICE, _service, {"请拨打12345": "请拨打幺二三四五"}),
    Rule("room in one piece", _NAMED, _whole, {"在302房间": "在三零二房间"}),
    Rule(
        "known by its digits",
        _SLANG,
        _digits_of_slang,
        {"效果666": "效果六六六", "拒绝996": "拒绝九九六"},
    ),
    Rule("odd groups of digits", _ODD, _whole, {"编号0,013,225": "编号零零幺三二二五"}),
    Rule(
        "digits one by one",
        _LONG,
        _long,
        {"验证码是123456": "验证码是幺二三四五六", "邮编100084": "邮编幺零零零八四"},
    ),
)
