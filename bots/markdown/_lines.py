"""Lines of Markdown that every platform reads alike, in linear time (pure)."""

import re
from collections.abc import Sequence

HEADING = re.compile(r" {0,3}(#{1,6})(?=\s|$)")
TASK = re.compile(r"\[([ xX])\][ \t]+")

_SIGNED = re.compile(
    r"[ \t>]*+[-+][ \t]++[*_~≈<>≤≥]{0,3}[$€£¥₹]?\d[\d.,'\u00a0\u202f]*+[ \u00a0\u202f]?"
    r"(?:[^\s\d]\S{0,11}+(?: \S{1,11}+)?)?[ \t]*+"
)
_NEAR = 3
_SIGN = re.compile(r"[ \t>]*+(?P<sign>[-+*])[ \t]")

_NUMBERED = re.compile(r"(?P<margin>[ \t>]*+)(?P<number>\d{1,9})\.(?=[ \t])")
_LARGE = 100
"""The first number that seldom begins a list: it is rather a year, or an amount."""
_ABOVE = 10


def title(line: str) -> str:
    """Return the text of a heading, without the signs around it."""
    said = line.strip().lstrip("#").strip()
    bare = said.rstrip("#")
    return bare.rstrip() if not bare or bare[-1].isspace() else said


def is_break(line: str) -> bool:
    """Return True for a line of nothing but three or more stars, dashes or underscores."""
    bare = line.replace(" ", "")
    if bare[:1] not in ("-", "*", "_") or len(bare) < 3:
        return False
    return not bare.strip(bare[0]) and line[:4].strip() != ""


def box(task: re.Match[str]) -> str:
    """Return the sign of a task that is open or done."""
    return "☐" if task[1] == " " else "☑"


def is_signed(lines: Sequence[str], at: int) -> bool:
    """Return True if a line is a number with its sign, such as `- 3 °C`, and no item of a list.

    An item has another directly above or below it, or a line that belongs to it; but a list has
    only one kind of signs.
    """
    line = lines[at]
    if not _SIGNED.fullmatch(line):
        return False
    beside = [*lines[max(0, at - 1) : at], *lines[at + 1 : at + 2]]
    if not any(_is_beside(other, line) for other in beside):
        return True
    near = lines[max(0, at - _NEAR) : at + _NEAR + 1]
    signs = {other.lstrip(" \t>")[0] for other in near if _SIGNED.fullmatch(other)}
    return len(signs) > 1


def _is_beside(line: str, signed: str) -> bool:
    found, own = _SIGN.match(line), _SIGN.match(signed)
    deeper = line.strip() != "" and _margin(line) > _margin(signed)
    return deeper or bool(found and own and found["sign"] == own["sign"])


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip(" \t>"))


def as_typed(lines: Sequence[str], at: int) -> str:
    """Return a line with its sign or number escaped, if a list would show another one."""
    line = lines[at]
    if is_signed(lines, at):
        start = len(line) - len(line.lstrip(" \t>"))
        return f"{line[:start]}\\{line[start:]}"
    found = _NUMBERED.match(line)
    if found is None or _goes_on(found, lines, at):
        return line
    return f"{line[: found.end('number')]}\\{line[found.end('number') :]}"


def _goes_on(item: re.Match[str], lines: Sequence[str], at: int) -> bool:
    """Return True if a list counts to an item's number by itself, or begins with it."""
    number = int(item["number"])
    for index in range(at - 1, max(-1, at - 1 - _ABOVE), -1):
        found = _NUMBERED.match(lines[index])
        if found and found["margin"] == item["margin"]:
            before = int(found["number"])
            return before in (number, number - 1) or number < _LARGE <= before
        if lines[index] and _margin(lines[index]) <= len(item["margin"]):
            break
    return number < _LARGE
