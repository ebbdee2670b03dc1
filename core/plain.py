"""Texts of strangers, made fit for a terminal or a line of the log (pure)."""

import re

MOST = 300
"""The longest text of a stranger in a line of the log, in characters."""

# Control codes move the cursor or write to the clipboard, and line ends forge lines. Bidi controls
# and separators show a line in another order, or as two. Lone surrogates cannot be written.
_HOSTILE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
# An apostrophe inside a word opens nothing. A server may have cut its text before the end mark.
_QUOTED = re.compile(
    r"(?:(?<!\w)(')([^']*)('(?!\w)|$)"
    r'|(")([^"]*)("|$)'
    r"|(`)([^`]*)(`|$)"
    r"|([“„«「『])([^”“»」』]*)([”“»」』]|$))"
)
_NAME = re.compile(r"[A-Za-z_][\w.:/\[\]-]{0,63}", re.ASCII)
# Chinese, Japanese and Korean write without spaces, so each character counts as a word.
_WORD = re.compile(r"[^\W\u3000-\U0003ffff]+|[\u3000-\U0003ffff]")
_CUT = "…"


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Return a text in which each hostile character is an escape such as `\\x1b`.

    The characters in `keep` stay as they are.
    """
    return _HOSTILE.sub(lambda found: _escape(found[0], keep), text)


def bare(text: str) -> str:
    """Return a text without hostile characters; line ends and tabs stay."""
    return _HOSTILE.sub(lambda found: found[0] if found[0] in "\n\t" else "", text)


def line(text: object, most: int = MOST) -> str:
    """Return a text as one visible line of at most `most` characters."""
    told = visible(" ".join(str(text)[: 4 * most].split()), keep="")
    return told if len(told) <= most else f"{told[:most]}{_CUT}"


def unquoted(text: str, said: str = "", *, names: bool = True) -> str:
    """Return the words of an error without what they quote.

    The insides of quotation marks are cut, but for `names` such as `max_tokens`. So is everything
    longer than a word or two that also occurs in `said`.
    """
    said = _folded(said)

    def cut(found: re.Match[str]) -> str:
        opening, inside, closing = (part for part in found.groups() if part is not None)
        is_name = names and _NAME.fullmatch(inside) and inside.casefold() not in said
        return found[0] if is_name else f"{opening}{_CUT}{closing}"

    told = _QUOTED.sub(cut, text)
    return _without(told, said) if said else told


def without(text: str, said: str) -> str:
    """Return the words of an error without those that it quotes of `said`; other quotes stay."""
    said = _folded(said)
    if not said:
        return text

    def cut(found: re.Match[str]) -> str:
        opening, inside, closing = (part for part in found.groups() if part is not None)
        return f"{opening}{_CUT}{closing}" if _folded(inside) in said else found[0]

    return _without(_QUOTED.sub(cut, text), said)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _escape(char: str, keep: str) -> str:
    return char if char in keep else char.encode("unicode_escape").decode()


def _without(text: str, said: str) -> str:
    """Cut runs of words that occur in `said`, which is folded to lower case."""
    words = list(_WORD.finditer(text))
    kept, at, first = [], 0, 0
    while first < len(words):
        last = first
        while last < len(words) and _occurs(text[words[first].start() : words[last].end()], said):
            last += 1
        run = text[words[first].start() : words[last - 1].end()] if last > first else ""
        if len(run) >= 12 or last - first >= 3 or (len(run) >= 4 and re.search(r"\d", run)):
            kept += [text[at : words[first].start()], _CUT]
            at = words[last - 1].end()
            first = last
        else:
            first += 1
    return "".join([*kept, text[at:]])


def _occurs(run: str, said: str) -> bool:
    return _folded(run) in said
