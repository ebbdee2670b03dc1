"""The text of a message as Discord's own client shows it.

The client reads a message from left to right with a list of expressions, of which the first that
matches is taken; of the kinds of emphasis it is the longest.
"""

import re
from dataclasses import dataclass, field

_RULES = {
    "pre": r"```(?:([a-z0-9_+\-.#]+?)\n)?\n*([^\n][\s\S]*?)\n*```",
    "escape": r"\\([^0-9A-Za-z\s])",
    "autolink": r"<([^: >]+:/[^ >]+)>",
    "url": r"((?:https?|steam)://[^\s<]+[^<.,:;\"'\]\s])",
    "link": (
        r"\[((?:\[[^\]]*\]|[^\[\]]|\](?=[^\[]*\]))*)\]"
        r"\(\s*<?((?:\([^)]*\)|[^\s\\]|\\.)*?)>?(?:\s+['\"]([\s\S]*?)['\"])?\s*\)"
    ),
    "emphasis": "",
    "strikethrough": r"~~([\s\S]+?)~~(?!_)",
    "code": r"(`+)([\s\S]*?[^`])\1(?!`)",
    "spoiler": r"\|\|([\s\S]+?)\|\|",
    "text": r"[\s\S]+?(?=[^0-9A-Za-z\s\u00c0-\uffff]|\n\n| {2,}\n|\w+:\S|\Z)",
}
_COMPILED = {name: re.compile(rule, re.ASCII) for name, rule in _RULES.items()}
_WEB = re.compile("https?://")
_EMPHASIS = {
    "italic": re.compile(
        r"\b_((?:__|\\[\s\S]|[^\\_])+?)_\b"
        r"|\*(?=\S)((?:\*\*|\\[\s\S]|\s+(?:\\[\s\S]|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)",
        re.ASCII,
    ),
    "bold": re.compile(r"\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)"),
    "underline": re.compile(r"__((?:\\[\s\S]|[^\\])+?)__(?!_)"),
}


@dataclass
class Shown:
    """A message on the screen: its text, and each style or link with the text that it covers."""

    text: str = ""
    spans: list[tuple[str, str]] = field(default_factory=list)
    runs: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """The text in stretches, each with its styles from the outer to the inner one; a sign behind a
    backslash has the style `escape`."""


def show(content: str) -> Shown:
    """Return a message as people see it; the marks of lists, quotes and headings stay."""
    shown = Shown()
    _show(content, shown)
    return shown


def _show(content: str, shown: Shown, styles: tuple[str, ...] = ()) -> None:
    while content:
        name, found = _first(content)
        content = content[found.end() :]
        match name:
            case "text":
                _write(found[0], shown, styles)
            case "escape":
                _write(found[1], shown, (*styles, name))
            case "url":
                _write(found[1], shown, (*styles, "link"))
            case "pre" | "code":
                _style(name, found[2].strip("\n"), shown, styles, literal=True)
            case "autolink":
                _style("link", found[1], shown, styles, literal=True)
            case _:
                inside = next(group for group in found.groups() if group is not None)
                _style(name, inside, shown, styles)


def _write(text: str, shown: Shown, styles: tuple[str, ...]) -> None:
    shown.text += text
    shown.runs.append((text, styles))


def _style(
    name: str, inside: str, shown: Shown, styles: tuple[str, ...], *, literal: bool = False
) -> None:
    begun, place = len(shown.text), len(shown.spans)
    if literal:
        _write(inside.strip() if name == "code" else inside, shown, (*styles, name))
    else:
        _show(inside, shown, (*styles, name))
    shown.spans.insert(place, (name, shown.text[begun:]))


def _first(content: str) -> tuple[str, re.Match[str]]:
    for name, rule in _COMPILED.items():
        if name == "emphasis":
            kinds = [(kind, rule.match(content)) for kind, rule in _EMPHASIS.items()]
            fitting = [(kind, found) for kind, found in kinds if found]
            if fitting:
                return max(fitting, key=lambda one: one[1].end())
        elif (found := rule.match(content)) and (name != "link" or _WEB.match(found[2])):
            return name, found
    raise AssertionError("a text has at least one character")
