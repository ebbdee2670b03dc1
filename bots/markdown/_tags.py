"""HTML tags that a model writes into its Markdown (pure)."""

import html
import re
from typing import NamedTuple

from bots.markdown._symbols import SCRIPTS

_TAG = re.compile(
    r"<(?P<shut>/?)(?P<name>[A-Za-z][A-Za-z0-9-]{0,15}+)"
    r"(?P<more>(?>(?:\s++[A-Za-z][\w:-]*+(?>(?:\s*+=\s*+(?:\"[^\"<>]*+\"|'[^'<>]*+'|[^\s\"'<>=`]++))?))*))"
    r"\s*+/?>"
)
_ATTRIBUTE = re.compile(
    r"(?<![\w-])(?P<name>[A-Za-z-]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|(\S++))"
)
_ENDS = {
    name: re.compile(rf"</{name}\s*+>", re.IGNORECASE) for name in ("code", "kbd", "samp", "tt")
}
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u030a\u0333\u033f\ud800-\udfff]"
)
"""Signs that a platform removes, or that show a text in another order."""
_LONGEST_INDEX = 12
"""The longest text that is raised or lowered; a longer one is a note in small letters."""

_STYLES = {
    "b": "bold",
    "strong": "bold",
    "summary": "bold",
    "i": "italic",
    "em": "italic",
    "cite": "italic",
    "dfn": "italic",
    "var": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "del": "strikethrough",
    "strike": "strikethrough",
    "spoiler": "spoiler",
    "tg-spoiler": "spoiler",
}
_ROLES = {
    **dict.fromkeys(_STYLES, "style"),
    **dict.fromkeys(_ENDS, "code"),
    **dict.fromkeys(("sub", "sup"), "index"),
    **dict.fromkeys(("big", "center", "details", "font", "mark", "p", "small", "span"), "off"),
    "a": "link",
    "br": "line",
    "img": "image",
    "wbr": "nothing",
}


class Tag(NamedTuple):
    """A tag in a paragraph."""

    name: str
    role: str
    """`style`, `code`, `index`, `link`, `line`, `image`, `nothing`, or `off` for a tag that shows
    nothing but what is inside."""
    closes: bool
    text: str
    """The tag as it is written."""
    end: int
    style: str
    target: str
    label: str


def unescaped(text: str) -> str:
    """Return a text with the characters that its entities stand for."""
    return _HIDDEN.sub("", html.unescape(text)) if "&" in text else text


def read_tag(text: str, start: int) -> Tag | None:
    """Return the tag that begins at a place; None for one that is not known, or for no tag."""
    found = _TAG.match(text, start)
    role = _ROLES.get(found["name"].lower()) if found else None
    if found is None or role is None:
        return None
    name = found["name"].lower()
    values = _attributes(found["more"]) if role in ("link", "image") else {}
    target = values.get("href") or values.get("src", "")
    if role == "image" and not target:
        return None
    return Tag(
        name,
        role,
        bool(found["shut"]),
        found[0],
        found.end(),
        _STYLES.get(name, ""),
        target,
        unescaped(values.get("alt", "")),
    )


def code_end(text: str, tag: Tag) -> re.Match[str] | None:
    """Return the tag that ends the code behind another one, if there is one."""
    return _ENDS[tag.name].search(text, tag.end)


def indexed(name: str, text: str) -> str:
    """Return a text raised (`sup`) or lowered (`sub`), as x² or x^(a/b) shows it."""
    if len(text) > _LONGEST_INDEX or len(text.split()) != 1:
        return text
    sign = "^" if name == "sup" else "_"
    forms = [SCRIPTS[sign].get(char, "") for char in text]
    if all(forms):
        return "".join(forms)
    return f"{sign}{text}" if len(text) == 1 else f"{sign}({text})"


def _attributes(text: str) -> dict[str, str]:
    return {
        found["name"].lower(): "".join(filter(None, found.groups()[1:]))
        for found in _ATTRIBUTE.finditer(text)
    }
