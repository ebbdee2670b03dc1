"""The runs of marks that may begin or end emphasis, told by the characters beside them (pure).

CommonMark's rules, with four differences. Signs and letters of scripts that are written without
spaces hinder no mark beside them, so that emphasis can stand anywhere in Chinese, Japanese and
Korean. A star between the words of another script multiplies. An underscore within a word belongs
to it, and one between two eyes to a face. Two bars hide what is between them, unless they stand
between operands.
"""

import re
import unicodedata
from functools import lru_cache

_SPACE, _SIGN, _WORD, _FREE = range(4)
"""Kinds of characters: white space, punctuation, words, and what hinders no mark beside it."""
_FREE_SCRIPTS = ((0xE00, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF), (0x2E80, 0x3FFFF))
"""Thai to Burmese, Korean letters, Khmer, and from the first Chinese radicals on."""
_NEVER_BEFORE = frozenset(")]}./\\")
"""The signs before a star that begins nothing: it multiplies, or stands for any name."""
_ENDS_PHRASE = frozenset(":.,;!?…\"'”’»")
_ENDS_CLAUSE = frozenset(
    ",;)]}\u3001\u3002\u3009\u300b\u300d\u300f\u3011\uff01\uff09\uff0c\uff1a\uff1b\uff1f"
)
_BRACKETS = frozenset("([{\u3008\u300a\u300c\u300e\u3010\uff08")
"""The signs with which no emphasised text begins, and with which none ends."""
_EYES = frozenset("^-=;@#<>.°•")
"""The signs beside the mouth of a face, as in `^_^` and `>_<`."""
_POINTS = re.compile(r"(?<![\w*])(?:char|int|FILE|[a-z0-9]{1,8}_t) ?\Z", re.ASCII)
"""The types of C before a star."""
_EQUALS = re.compile("[=＝≈]")  # noqa: RUF001 - the sign of Chinese texts
_CLAUSE_END = re.compile("[\n,.;:!?\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]")
_NEAR = 40
"""The characters beside a star in which an equation is looked for, and the longest part of a word
that is emphasised."""


def flanks(text: str, start: int, end: int) -> tuple[bool, bool]:
    """Return whether the run of marks between two positions may begin, and may end a style."""
    before, after = _sides(text, start, end)
    sign, size = text[start], end - start
    if sign == "|":
        begins, ends = _hides(before, after, size)
        behind = text[end + 1 : end + 2]
        negated = after == "!" and (behind.isalnum() or behind in ("(", "["))  # a ||!b
        return begins, ends and not negated
    begins = after not in _ENDS_CLAUSE and _faces(after, before)
    ends = before not in _BRACKETS and _faces(before, after)
    if sign == "_":
        if before in _EYES and after in _EYES:
            return False, False
        return begins and not _is_letter(before), ends and not _is_letter(after)
    if sign == "~":
        korean = "\uac00" <= before <= "\ud7a3"  # a long sound: ~~ goes on what is before it
        return size == 2 and begins and kind(before) != _WORD and not korean, size == 2 and ends
    if _POINTS.search(text, max(0, start - 12), start):
        return False, False
    return _stars(text, start, end, begins=begins, ends=ends)


def _stars(text: str, start: int, end: int, *, begins: bool, ends: bool) -> tuple[bool, bool]:
    """Return the same for stars, some of which multiply or stand for any name."""
    before, after = _sides(text, start, end)
    if end - start == 1:
        name = after == "." and text[end + 1 : end + 2].isalnum()  # *.txt
        product = kind(before) == _WORD or before in _NEVER_BEFORE
        return begins and not product, ends and not name and kind(after) != _WORD
    if before == after == "/" or (_is_tight(before, after) and not (before + after).isalpha()):
        return False, False  # src/**/x, x**2
    return begins, ends or (before in _ENDS_PHRASE and after.isalpha())


def pair(text: str, first: tuple[int, int], last: tuple[int, int]) -> bool:
    """Return whether two runs of stars, given by their bounds, may hold a style between them.

    Stars that touch words on both sides may be a power: `x**2 + y**2`. Only a part of one word is
    emphasised there, as in `Hyper**Text**`.
    """
    if text[first[0]] != "*":
        return True
    if min(first[1] - first[0], last[1] - last[0]) == 1:
        return not (_is_free(text, *first) and _is_free(text, *last) and _counts(text, first, last))
    if not _is_tight(*_sides(text, *first)):
        return True
    length = last[0] - first[1]
    inside = text[first[1] : last[0]] if length <= _NEAR else ""
    variable = length == 1 and inside.islower() and _is_tight(*_sides(text, *last))
    return inside.isalpha() and not variable


@lru_cache(maxsize=4096)
def kind(char: str) -> int:
    """Return the kind of a character."""
    if char.isspace():
        return _SPACE
    category = unicodedata.category(char)[0]
    if any(low <= ord(char) <= high for low, high in _FREE_SCRIPTS):
        return _FREE
    if category == "P" or (category == "S" and char.isascii()):
        return _SIGN
    return _FREE if category == "S" else _WORD


def _faces(inner: str, outer: str) -> bool:
    """Return whether a run may stand between a style and what is beside it."""
    inside = kind(inner)
    return inside != _SPACE and (inside != _SIGN or kind(outer) != _WORD)


def _hides(before: str, after: str, size: int) -> tuple[bool, bool]:
    """Return whether bars may begin, and may end what is hidden; `a||b` is an operation."""
    if size != 2 or (before == after and before in "\"'"):
        return False, False
    operand = kind(before) == _WORD or before in ")]"
    begins = not after.isspace() and not operand
    return begins, not before.isspace() and kind(after) != _WORD and after not in "(["


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNM"


def _sides(text: str, start: int, end: int) -> tuple[str, str]:
    """Return the characters beside a run; a space stands for the end of the text."""
    return text[start - 1 : start] or " ", text[end : end + 1] or " "


def _is_tight(before: str, after: str) -> bool:
    """Return whether a run stands between operands."""
    return (kind(before) == _WORD or before in ")]") and (kind(after) == _WORD or after in "(-")


def _is_free(text: str, start: int, end: int) -> bool:
    """Return whether a run stands between two letters of a script without spaces."""
    return all(kind(char) == _FREE and _is_letter(char) for char in _sides(text, start, end))


def _counts(text: str, first: tuple[int, int], last: tuple[int, int]) -> bool:
    """Return whether two stars are a part of an equation, as in 面积=长*宽*2."""
    before = _CLAUSE_END.split(text[max(0, first[0] - _NEAR) : first[0]])[-1]
    after = _CLAUSE_END.split(text[last[1] : last[1] + _NEAR])[0]
    return _EQUALS.search(before + after) is not None
