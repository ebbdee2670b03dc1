"""The characters that a text may hold (pure): every database, platform and terminal takes them."""

import re
import unicodedata

MARKS = 10
"""The most combining marks in a row. A letter of Thai, Hebrew or Arabic carries up to four, the
tallest stack of Tibetan nine; more are a joke, and sorting them takes quadratic time."""

JOINER = "\u2060"
"""An invisible character that keeps a client from reading a link or a mention into plain text."""

_BREAK = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Marks are no letters. What else is none, such as emoji, is told apart one by one.
_PERHAPS_MARKS = re.compile(rf"[^\w\s\x00-\u02ff]{{{MARKS + 1},}}")


def clean(text: str, *, after: str = "") -> str:
    """Return a text without control characters, lone surrogates and long runs of combining marks.

    Line ends become "\\n", tabs stay, and "\ufffd" replaces a lone surrogate. A clean text stays as
    it is. `after` is the clean text that precedes this piece of a stream. The time is linear.
    """
    text = _CONTROL.sub("", _BREAK.sub("\n", text))
    if text.isascii():
        return text
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    tail = after[-MARKS:]
    return _PERHAPS_MARKS.sub(_with_few_marks, tail + text)[len(tail) :]


def _with_few_marks(run: re.Match[str]) -> str:
    kept, marks = [], 0
    for char in run[0]:
        marks = marks + 1 if unicodedata.category(char)[0] == "M" else 0
        if marks <= MARKS:
            kept.append(char)
    return "".join(kept)
