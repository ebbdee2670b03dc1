"""Questions and the answers that the model must give; every word of them tells its position."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.fakes.model import Answer, ModelRequest
from tests.fakes.model.script import Reply

Kind = Literal["short", "long", "code"]

PIECE = 150
"""Characters of one delta: thousands of smaller ones would only heat the machine."""

_WISH = re.compile(r"\b(q\d+) (short|long|code)\b")
_TAG = re.compile(r"\bq\d+\b")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Wish:
    """A question; `tag` is in no other one."""

    tag: str
    kind: Kind

    @property
    def text(self) -> str:
        """The text of the question."""
        return f"{self.tag} {self.kind}, please"


def answer(wish: Wish, limit: int) -> str:
    """The Markdown that answers a wish; a long one needs three messages of `limit` characters."""
    if wish.kind == "short":
        return f"**{wish.tag}** in one line: {wish.tag}_end."
    if wish.kind == "code":
        lines = [f'value_{n} = "{wish.tag}_{n}"  # line {n}' for n in range(1, 25)]
        return "\n".join(["```python", *lines, "```", "", f"{wish.tag}_end."])
    sentence = " tells of a river, an old clock and what became of both.\n\n"
    count = int(2.4 * limit / len(f"{wish.tag}_100{sentence}"))
    return "".join(f"{wish.tag}_{n}{sentence}" for n in range(1, count + 1)) + f"{wish.tag}_end."


def end_of(tag: str) -> str:
    """The last word of an answer."""
    return f"{tag}_end"


def words(text: str) -> list[str]:
    """Return the words of a text, without the platform's markup."""
    return _WORD.findall(text.replace("```python", ""))


def lines(text: str) -> list[str]:
    """The lines of a text, but for empty ones and the fences of code."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("```")]


def tag_of(text: str) -> str | None:
    """Return the wish that a message of the bot answers."""
    found = _TAG.search(text.replace("_", " "))
    return found[0] if found else None


def wish_in(text: str) -> Wish | None:
    """The wish that a prompt ends with."""
    found = _WISH.search(text)
    if found is None:
        return None
    kind: Kind = "short" if found[2] == "short" else "long" if found[2] == "long" else "code"
    return Wish(found[1], kind)


def responder(limit: int, seed: int, pace: float) -> Callable[[ModelRequest], Reply]:
    """The model: the same wish is answered alike each time, at a pace of its own around `pace`."""

    def respond(request: ModelRequest) -> Reply:
        wish = wish_in(request.text)
        if wish is None:
            return "Summary: they asked, and were answered."
        text = answer(wish, limit)
        pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
        speed = random.Random(f"{seed} {wish.tag}").uniform(0.3, 1.7)
        return Answer(text, pieces=pieces, pace=speed * pace, first_token=0.05)

    return respond
