"""Units and currencies: symbol -> names in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from indextts.stages.text.natural.rules import listed


@dataclass(frozen=True, slots=True)
class Unit:
    """Names of a unit; `zh` is empty where Chinese keeps the letters."""

    one: str
    many: str
    zh: str


def _table(text: str) -> dict[str, Unit]:
    rows = (line.split("|") for line in text.strip().splitlines())
    return {
        symbol: Unit(one.strip(), many.strip(), zh.strip())
        for symbols, one, many, zh in rows
        for symbol in symbols.split()
    }


UNITS: Mapping[str, Unit] = _table(
    """
mm | millimeter | millimeters | 毫米
cm | centimeter | centimeters | 厘米
dm | decimeter | decimeters | 分米
m | meter | meters | 米
km | kilometer | kilometers | 公里
nm | nanometer | nanometers | 纳米
µm um | micrometer | micrometers | 微米
ft | foot | feet | 英尺
yd | yard | yards | 码
mi | mile | miles | 英里
mg | milligram | milligrams | 毫克
g | gram | grams | 克
kg Kg KG | kilogram | kilograms | 千克
µg ug mcg | microgram | micrograms | 微克
oz | ounce | ounces | 盎司
lb lbs | pound | pounds | 磅
ml mL ML | milliliter | milliliters | 毫升
l L | liter | liters | 升
cl | centiliter | centiliters | 厘升
tsp | teaspoon | teaspoons | 茶匙
tbsp | tablespoon | tablespoons | 汤匙
ns | nanosecond | nanoseconds | 纳秒
ms | millisecond | milliseconds | 毫秒
µs us | microsecond | microseconds | 微秒
s | second | seconds | 秒
sec secs | second | seconds | 秒
min mins | minute | minutes | 分钟
h hr hrs | hour | hours | 小时
Hz | hertz | hertz | 赫兹
kHz KHz | kilohertz | kilohertz | 千赫
MHz | megahertz | megahertz | 兆赫
GHz | gigahertz | gigahertz | 吉赫
W w | watt | watts | 瓦
kW KW kw | kilowatt | kilowatts | 千瓦
MW | megawatt | megawatts | 兆瓦
GW | gigawatt | gigawatts | 吉瓦
Wh | watt hour | watt hours | 瓦时
kWh KWh | kilowatt hour | kilowatt hours | 千瓦时
V v | volt | volts | 伏
kV KV | kilovolt | kilovolts | 千伏
mV | millivolt | millivolts | 毫伏
mA | milliamp | milliamps | 毫安
mAh | milliamp hour | milliamp hours | 毫安时
Ω | ohm | ohms | 欧姆
kΩ | kiloohm | kiloohms | 千欧
N | newton | newtons | 牛
Pa | pascal | pascals | 帕
kPa | kilopascal | kilopascals | 千帕
MPa | megapascal | megapascals | 兆帕
hPa | hectopascal | hectopascals | 百帕
J | joule | joules | 焦耳
kJ | kilojoule | kilojoules | 千焦
cal | calorie | calories | 卡路里
kcal | kilocalorie | kilocalories | 千卡
dB | decibel | decibels | 分贝
px | pixel | pixels | 像素
KB kB kb | kilobyte | kilobytes |
MB | megabyte | megabytes |
GB Gb | gigabyte | gigabytes |
TB | terabyte | terabytes |
PB | petabyte | petabytes |
KiB | kibibyte | kibibytes |
MiB | mebibyte | mebibytes |
GiB | gibibyte | gibibytes |
kbps Kbps | kilobit per second | kilobits per second | 千比特每秒
Mbps | megabit per second | megabits per second | 兆比特每秒
Gbps | gigabit per second | gigabits per second | 吉比特每秒
mph | mile per hour | miles per hour | 英里每小时
kph kmh | kilometer per hour | kilometers per hour | 公里每小时
fps FPS | frame per second | frames per second | 帧每秒
rpm RPM | revolution per minute | revolutions per minute | 转每分钟
bpm BPM | beat per minute | beats per minute | 次每分钟
dpi DPI | dot per inch | dots per inch |
hp | horsepower | horsepower | 马力
ppm | part per million | parts per million |
ha | hectare | hectares | 公顷
t | tonne | tonnes | 吨
mol | mole | moles | 摩尔
°C | degree Celsius | degrees Celsius | 摄氏度
°F | degree Fahrenheit | degrees Fahrenheit | 华氏度
° | degree | degrees | 度
% | percent | percent |
‰ | per mille | per mille |
m² m2 m^2 | square meter | square meters | 平方米
km² km2 km^2 | square kilometer | square kilometers | 平方公里
cm² cm2 cm^2 | square centimeter | square centimeters | 平方厘米
mm² mm2 | square millimeter | square millimeters | 平方毫米
m³ m3 m^3 | cubic meter | cubic meters | 立方米
cm³ cm3 cm^3 cc | cubic centimeter | cubic centimeters | 立方厘米
km³ | cubic kilometer | cubic kilometers | 立方公里
sqm | square meter | square meters | 平方米
ft² | square foot | square feet | 平方英尺
"""
)

# Behind a blank these could be words or names.
GLUED_ONLY = frozenset(listed("s h t A N J v w l"))

# What stands behind the slash of a rate.
RATES: Mapping[str, tuple[str, str]] = {
    "h": ("hour", "小时"),
    "hr": ("hour", "小时"),
    "s": ("second", "秒"),
    "sec": ("second", "秒"),
    "min": ("minute", "分钟"),
    "day": ("day", "天"),
    "d": ("day", "天"),
    "week": ("week", "周"),
    "month": ("month", "月"),
    "mo": ("month", "月"),
    "year": ("year", "年"),
    "yr": ("year", "年"),
    "kg": ("kilogram", "千克"),
    "g": ("gram", "克"),
    "lb": ("pound", "磅"),
    "L": ("liter", "升"),
    "l": ("liter", "升"),
    "mL": ("milliliter", "毫升"),
    "ml": ("milliliter", "毫升"),
    "m": ("meter", "米"),
    "km": ("kilometer", "公里"),
    "m²": ("square meter", "平方米"),
    "m³": ("cubic meter", "立方米"),
    "m2": ("square meter", "平方米"),
    "m3": ("cubic meter", "立方米"),
    "s²": ("second squared", "二次方秒"),
    "person": ("person", "人"),
    "hour": ("hour", "小时"),
    "night": ("night", "晚"),
    "user": ("user", "人"),
    "token": ("token", "个token"),
}


@dataclass(frozen=True, slots=True)
class Currency:
    """Names of a currency and of its hundredth part (empty where nobody counts in it)."""

    one: str
    many: str
    cent: str
    cents: str
    zh: str


_DOLLAR = Currency("dollar", "dollars", "cent", "cents", "美元")
_YUAN = Currency("yuan", "yuan", "", "", "元")
_EURO = Currency("euro", "euros", "cent", "cents", "欧元")
_POUND = Currency("pound", "pounds", "penny", "pence", "英镑")

CURRENCIES: Mapping[str, Currency] = {
    "$": _DOLLAR,
    "US$": Currency("US dollar", "US dollars", "cent", "cents", "美元"),
    "USD": Currency("US dollar", "US dollars", "cent", "cents", "美元"),
    "C$": Currency("Canadian dollar", "Canadian dollars", "cent", "cents", "加元"),
    "CAD": Currency("Canadian dollar", "Canadian dollars", "cent", "cents", "加元"),
    "A$": Currency("Australian dollar", "Australian dollars", "cent", "cents", "澳元"),
    "AUD": Currency("Australian dollar", "Australian dollars", "cent", "cents", "澳元"),
    "HK$": Currency("Hong Kong dollar", "Hong Kong dollars", "cent", "cents", "港元"),
    "HKD": Currency("Hong Kong dollar", "Hong Kong dollars", "cent", "cents", "港元"),
    "S$": Currency("Singapore dollar", "Singapore dollars", "cent", "cents", "新加坡元"),
    "NT$": Currency("New Taiwan dollar", "New Taiwan dollars", "cent", "cents", "新台币"),
    "€": _EURO,
    "EUR": _EURO,
    "£": _POUND,
    "GBP": _POUND,
    "¥": _YUAN,
    "CN¥": _YUAN,
    "RMB": _YUAN,
    "CNY": _YUAN,
    "JP¥": Currency("yen", "yen", "", "", "日元"),
    "JPY": Currency("yen", "yen", "", "", "日元"),
    "₩": Currency("won", "won", "", "", "韩元"),
    "KRW": Currency("won", "won", "", "", "韩元"),
    "₹": Currency("rupee", "rupees", "paisa", "paise", "卢比"),
    "INR": Currency("rupee", "rupees", "paisa", "paise", "卢比"),
    "Rs.": Currency("rupee", "rupees", "paisa", "paise", "卢比"),
    "₽": Currency("ruble", "rubles", "", "", "卢布"),
    "CHF": Currency("Swiss franc", "Swiss francs", "", "", "瑞士法郎"),
}
