"""Thoughts that a model writes into its answer, between tags: they are told apart from the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from core.messages import Text, Thought

NAMES = ("think", "thinking", "thought", "reasoning")
"""The names of the tags that models use."""

_OPENING = re.compile(rf"\s*<({'|'.join(NAMES)})>")
# Some templates write the opening tag themselves, so that the answer begins with thoughts.
_LONE = re.compile(r"\n[ \t]*</think(?:ing)?>[ \t]*\n")
_LONE_TAGS = ("</think>", "</thinking>")


@dataclass(frozen=True, slots=True)
class Unsaid:
    """All text so far was thoughts: it is no part of the answer."""


@dataclass(slots=True)
class Thinking:
    """The beginning of an answer, which may be thoughts.

    Later in an answer, the same tags are a thing that people talk about.
    """

    closing: str = ""
    """The tag that ends the thoughts; "" outside of them. Some answers begin inside."""
    _held: str = ""
    _said: bool = False
    """True once text has come."""
    _thought: bool = False
    """True once thoughts have come; the blanks between them and the text are no part of it."""
    _is_over: bool = False
    """True once no tag can mean anything any more."""

    def feed(self, text: str) -> Iterator[Text | Thought | Unsaid]:
        """Take a piece of the answer and yield what is known of it: text or thoughts."""
        if self._is_over:
            yield Text(text)
            return
        self._held += text
        if self._thought and not (self.closing or self._said):
            self._held = self._held.lstrip()
        if self.closing:
            yield from self._think()
        elif self._said:
            yield from self._speak()
        elif opening := _OPENING.match(self._held):
            self._held, self.closing = self._held[opening.end() :], f"</{opening[1]}>"
            yield from self._think()
        elif not _may_open(self._held):
            self._said = True
            yield from self._speak()

    def _think(self) -> Iterator[Text | Thought | Unsaid]:
        thought, tag, rest = self._held.partition(self.closing)
        if tag:
            self._held, self.closing, self._thought = rest, "", True
            yield Thought(thought)
            yield from self.feed("")
            return
        # The end of what came may be the beginning of the tag.
        at = max(len(self._held) - len(self.closing) + 1, 0)
        if known := self._held[:at]:
            yield Thought(known)
        self._held = self._held[at:]

    def _speak(self) -> Iterator[Text | Thought | Unsaid]:
        """Yield text, but hold back an end that may become a lone closing tag."""
        if "`" in self._held:
            self._is_over = True  # from here on a tag may be part of code
        elif lone := _LONE.search(self._held):
            yield Text(self._held[: lone.start()])
            yield Unsaid()
            self._held, self._said, self._thought = self._held[lone.end() :], False, True
            yield from self.feed("")
            return
        at = len(self._held) if self._is_over else _last_line(self._held)
        if known := self._held[:at]:
            yield Text(known)
        self._held = self._held[at:]

    def end(self) -> Iterator[Text | Thought | Unsaid]:
        """Yield what was held back."""
        held, self._held, self._is_over = self._held, "", True
        if held.strip() in _LONE_TAGS:
            yield Unsaid()
        elif held:
            yield Thought(held) if self.closing else Text(held)


def _may_open(text: str) -> bool:
    """Return whether a text may become an opening tag."""
    start = text.lstrip()
    return any(f"<{name}>".startswith(start) for name in NAMES)


def _last_line(text: str) -> int:
    """Return where a last line begins that may become a lone closing tag, or the text's length."""
    at = text.rfind("\n")
    start = text[at:].strip()
    return at if at >= 0 and any(tag.startswith(start) for tag in _LONE_TAGS) else len(text)
