"""Names that no voice may have: what people have tried on services with files behind them."""

from __future__ import annotations

HOSTILE_NAMES = (
    # Paths.
    "",
    ".",
    "..",
    "...",
    "../canary",
    "..\\canary",
    "../../etc/passwd",
    "/etc/passwd",
    "//host/share",
    "C:\\canary",
    "C:canary",
    "file:///etc/passwd",
    "~root",
    "canary/",
    "canary/.",
    "./canary",
    "sub/canary",
    "sub\\canary",
    "..%2fcanary",
    "%2e%2e%2fcanary",
    "..%252fcanary",
    "..%c0%afcanary",
    "..\u2215canary",  # division slash
    "..\uff0fcanary",  # full-width slash
    "\u2025/canary",  # two dot leader
    "....//canary",
    # What ends or splits names.
    "canary\x00",
    "canary\x00.flac",
    "canary\n",
    "\ncanary",
    "canary\r\nX-Header: 1",
    "canary\t",
    "can\x1b[31mary",
    "can\x7fary",
    "can\x85ary",
    "can\u2028ary",
    " canary",
    "canary ",
    "canary.",
    "canary..",
    "canary.flac",
    "canary.json",
    "canary::$DATA",
    "canary:stream",
    # Hidden files, and our own.
    ".canary",
    ".lock",
    ".part-00",
    ".git",
    "aliases.yaml",
    "-rf",
    "--",
    "_",
    # Shells, globs, markup.
    "*",
    "can?ry",
    "canary;id",
    "$(id)",
    "`id`",
    "canary|id",
    "canary&x=1",
    "canary#x",
    "canary%00",
    "<script>",
    "{canary}",
    "'canary'",
    '"canary"',
    # Reserved on some systems.
    "CON",
    "nul",
    "Aux",
    "prn",
    "COM1",
    "lpt9",
    # Looks like another name.
    "\uff43\uff41\uff4e\uff41\uff52\uff59",  # full-width
    "\U0001d41c\U0001d41anary",  # mathematical bold
    "\ufb01nn",  # ligature
    "canary\u00b2",  # raised two
    "\u0441anary",  # Cyrillic es
    "can\u0430ry",  # Cyrillic a
    "\u03bfmega",  # Greek omicron
    "COM\u00b9",
    # Invisible, or changing the direction.
    "can\u200bary",
    "can\u200dary",
    "can\u2060ary",
    "\ufeffcanary",
    "can\u00adary",
    "\u202eyranac",
    "can\u202dary",
    "can\u2066ary",
    "can\u200fary",
    "can\u115fary",
    "can\u3164ary",
    "canary\ufe0f",
    "can\u034fary",
    "\U000e0063\U000e0061",  # tags
    # Marks.
    "\u0301canary",
    "-\u0301",
    "can-\u0301ary",
    "c\u0335\u0336\u0337anary",
    "Z" + "\u0300\u0316\u0317" * 10,
    # Not characters.
    "can\ud800ary",
    "\udcff",
    "can\ue000ary",
    "can\uffffary",
    "can\u0378ary",  # unassigned
    "\U0001f3a4",
    # Long.
    "a" * 65,
    "a" * 300,
    "a" * 100_000,
    "\U00020000" * 64,
    "e" + "\u0301" * 63,
    "../" * 20,
)

IDS = [str(number) for number in range(len(HOSTILE_NAMES))]
"""For parametrisations: some of the names are long."""
