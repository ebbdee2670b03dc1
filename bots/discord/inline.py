"""Inline markup as Discord's client reads it.

The client looks for marks with expressions of its own: a star between two words begins emphasis
for it, and a star in code can end it. So plain text is escaped wherever the client would see
markup, and every style stands in marks that the client reads as they are meant.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bots.markdown import WEB, Node, deceives, inert, readable
from core.characters import JOINER
from core.text import read_moment

UNDERSCORE = "\ufdd0"
"""A sign for an underscore in a word until the whole message is written; no text holds it."""

_MARKS = {
    "bold": "**",
    "italic": "*",
    "underline": "__",
    "strikethrough": "~~",
    "spoiler": "||",
}
_SPECIAL = re.compile(
    r"""(?P<slash>\\(?=[^0-9A-Za-z\s]|\Z))
    | (?P<stars>\*+)
    | (?P<low>_+)
    | (?P<sign>~(?=~|\Z)|(?<=~)~|\|(?=\||\Z)|(?<=\|)\||`)
    | (?P<label>\](?=\())
    | (?P<mark><(?=[@\#/:]|a:|id:)|@(?=everyone|here))
    | (?P<bracket>\[(?![^\[\]]*+\])|<(?![^\s<>:]*+[ >]))
    """,
    re.VERBOSE,
)
"""Plain text that Discord would show as markup, or as a mention, a command or an emoji."""
_UNESCAPED = {"spoiler": "|", "strikethrough": "~"}
"""The signs that end a style, with the next one, even behind a backslash."""
_START = re.compile(r"(?:\#{1,3}|-\#?|>(?:>>)?)(?=[ \t])|(?P<number>\d{1,9})(?=\.[ \t])")
_SINGLE_BRACKETS = re.compile(r"(?>(?:[^\[\]]++|\[[^\[\]]*+\])*)")
_SINGLE_PARENTHESES = re.compile(r"(?>(?:[^()]++|\([^()]*+\))*)")
_AFTER_ADDRESS = re.compile(r"[.,:;\"'\])]*+(?:\s|\Z)")
"""A text behind an address of which the client takes nothing for a part of the address."""
_CLOSING_UNDERSCORE = re.compile(r"(?<!\\)_(?![0-9A-Za-z_])")


class _Piece(NamedTuple):
    """A stretch of the message in some styles, the outermost first."""

    styles: tuple[str, ...]
    text: str


def write(nodes: Sequence[Node], styles: tuple[str, ...] = (), *, start: bool = False) -> str:
    """Return what was read as Discord shows it, in styles around all of it.

    `start` is True if it begins a line.
    """
    return _joined(_pieces(nodes, styles, start=start))


def settled(text: str) -> str:
    """Return a whole message with its underscores, escaped if another one could end a style."""
    if UNDERSCORE not in text:
        return text
    return text.replace(UNDERSCORE, r"\_" if _CLOSING_UNDERSCORE.search(text) else "_")


def plain(nodes: Sequence[Node]) -> str:
    """Return the text of what was read, without any markup."""
    return "".join(
        " " if node.kind == "line" else node.text
        for node in nodes
        if node.kind in ("text", "code", "url", "line")
    )


def _pieces(nodes: Sequence[Node], outer: tuple[str, ...], *, start: bool) -> Iterator[_Piece]:
    styles = [*outer]
    at = 0
    while at < len(nodes):
        node, at = nodes[at], at + 1
        now = tuple(dict.fromkeys(styles))
        if node.kind == "open":
            styles.append(node.text)
        elif node.kind == "close":
            styles.pop()
        elif node.kind == "link":
            end = _end(nodes, at)
            yield _link(nodes[at:end], node.text, now)
            at = end + 1
        else:
            yield _piece(node, nodes[at : at + 2], now, start=start)
        start = node.kind == "line" or (start and node.kind in ("open", "close"))


def _piece(node: Node, behind: Sequence[Node], styles: tuple[str, ...], *, start: bool) -> _Piece:
    """Write one node of text, given the nodes behind it."""
    text = node.text
    if node.kind == "line":
        return _Piece(styles, text)
    if node.kind == "url":
        return _Piece(_without_conflict(styles, text), _address(text, behind))
    if node.kind == "code" and "spoiler" not in styles:
        return _Piece(_without_conflict(styles, text), _code(text))
    return _Piece(styles, _literal(text, styles, start=start))


def _joined(pieces: Iterator[_Piece]) -> str:
    """Return the text of pieces with marks around their styles, and no white space inside these."""
    written: list[str] = []
    open_ones: list[str] = []
    space = ""
    for styles, text in pieces:
        body = text.strip()
        if not body:
            space += text
            continue
        lead = len(text) - len(text.lstrip())
        same = _common(open_ones, styles)
        closing = "".join(_MARKS[style] for style in reversed(open_ones[same:]))
        opening = "".join(_MARKS[style] for style in styles[same:])
        space += text[:lead]
        # Marks that touch would be read as others.
        between = space or (JOINER if closing and opening else "")
        written += [closing, between, opening, body]
        space = text[lead + len(body) :]
        open_ones = [*styles]
    written += [_MARKS[style] for style in reversed(open_ones)]
    return "".join([*written, space])


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the number of styles that both have in common from the outside."""
    count = 0
    while count < min(len(first), len(second)) and first[count] == second[count]:
        count += 1
    return count


def _without_conflict(styles: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Return the styles that no sign of code, or of an address, ends too early."""
    for index, style in enumerate(styles):
        if _MARKS[style] in text and style != "spoiler":
            return styles[:index]
    return styles


# -- text -----------------------------------------------------------------------------------------


def _literal(text: str, styles: Sequence[str] = (), *, start: bool = False) -> str:
    """Return plain text, escaped where the client would find markup in it."""
    begun = _START.match(text, len(text) - len(text.lstrip(" \t"))) if start else None
    if begun:
        sign = rf"{begun[0]}\." if begun["number"] else rf"\{begun[0]}"
        place = begun.end() + bool(begun["number"])
        return text[: begun.start()] + sign + _literal(text[place:], styles)
    escaped = _SPECIAL.sub(_escaped, text)
    for style, sign in _UNESCAPED.items():
        if style in styles:
            escaped = re.sub(rf"\\?\{sign}", rf"\\{sign}{JOINER}", escaped)
    return inert(escaped)


def _escaped(found: re.Match[str]) -> str:
    sign, text = found[0], found.string
    before, after = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
    match found.lastgroup:
        case "mark":
            return sign + JOINER
        case "label":
            return f"{sign}\\"
        case "stars" if sign == "*" and before.isspace() and after.isspace():
            return sign
        case "low" if sign == "_" and after.isascii() and after.isalnum():
            return UNDERSCORE
        case _:
            return "".join(f"\\{char}" for char in sign)


def _code(text: str) -> str:
    """Return inline code within backticks of which it has no row as long."""
    if not text.strip():
        return text
    rows = {len(row) for row in re.findall("`+", text)}
    size = next(size for size in range(1, len(rows) + 2) if size not in rows)
    edge = " " if "`" in (text[0], text[-1]) else ""
    return "`" * size + edge + text + edge + "`" * size


def _address(address: str, behind: Sequence[Node]) -> str:
    """Return a bare address, in brackets if the client would add what is behind to it."""
    kind, text = behind[0] if behind else Node("line")
    if kind == "text":
        found = _AFTER_ADDRESS.match(text)
        joins = found is None or (
            found.end() == len(text) and not text[-1].isspace() and behind[1:]
        )
    else:
        joins = kind not in ("line", "close")
    return f"<{address}>" if joins else address


# -- links ----------------------------------------------------------------------------------------


def _end(nodes: Sequence[Node], at: int) -> int:
    """Return the index of the end of the link whose label begins at an index."""
    depth = 1
    for index in range(at, len(nodes)):
        depth += (nodes[index].kind == "link") - (nodes[index].kind == "end")
        if not depth:
            return index
    return len(nodes)


def _link(label: Sequence[Node], target: str, styles: tuple[str, ...]) -> _Piece:
    """Write a link or an image. Discord links no label with a URL, or a single bracket, in it."""
    label = [node for node in label if node.kind not in ("link", "end")]  # an image in a link
    if (at := read_moment(target)) is not None:
        return _Piece(styles, f"<t:{at}:R>")  # in the reader's own time and language
    named, said = plain(label), write(label).strip()
    if not WEB.fullmatch(target):
        shown = _literal(readable(target))
        text = f"{said} ({shown})" if named.strip() and shown not in said else said or shown
        return _Piece(_without_conflict(styles, text), text)
    if not named.strip() or ("://" in named and len(named.split()) == 1):
        text = f"<{target}>" if named == target else target
    elif "://" in named or deceives(named, target) or not _SINGLE_BRACKETS.fullmatch(said):
        text = f"{said} ({target})"
    else:
        text = f"[{said}]({_enclosed(target)})"
    return _Piece(_without_conflict(styles, text), text)


def _enclosed(target: str) -> str:
    """Return a target of which the client finds the end."""
    if _SINGLE_PARENTHESES.fullmatch(target):
        return target
    return target.replace("(", "%28").replace(")", "%29")
