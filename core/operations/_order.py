"""An order of an operator, and the answer to it."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core import words
from core.adapter import Account, Command
from core.charts import Chart
from core.plain import line
from core.quota import Rules

NAMES = 60
"""The most characters of a name that are shown."""
DIGITS = 18
"""The most digits of a number; a column of the database holds one more."""
LARGEST = 10**DIGITS - 1
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$&=^])")


@dataclass(frozen=True, slots=True)
class Order:
    """The circumstances in which an operator gives an order."""

    operator: str
    """The operator's account, "telegram:123", or "command line (ada)"."""
    rules: Rules
    now: datetime
    confirmed: bool = False
    """True once the operator has said that they are sure."""
    in_chat: bool = True
    """True in a chat, False on the command line."""
    user_id: int | None = None
    """The operator as a person, in a chat."""
    admins: frozenset[Account] = frozenset()
    """The accounts of all operators."""
    links: Callable[[str], Sequence[str]] = lambda _: ()
    """Returns the addresses of pages that open a chat with the bot and send it a code."""

    @property
    def prefix(self) -> str:
        """The beginning of every order, for examples."""
        return "/" if self.in_chat else "parley "


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an order, and the work that is left when it is committed."""

    text: str
    """The answer, as Markdown."""
    asks: bool = False
    """True if nothing is done yet: the text asks whether the operator is sure."""
    failed: bool = False
    """True if the order could not be carried out, as the text says."""
    stopped: bool = False
    """True if turns that may be running were stopped."""
    charts: tuple[Chart, ...] = ()
    """The figures of the text to be drawn."""


class NotDone(Exception):
    """An order cannot be carried out; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a verb. All are texts; the verb reads them."""

    name: str
    is_optional: bool = False
    takes_rest: bool = False
    """True if it takes everything that is left of the order."""

    @property
    def shown(self) -> str:
        """Its name in a line of usage."""
        name = self.name.upper()
        return f"[{name}]" if self.is_optional else name


@dataclass(frozen=True, slots=True)
class Verb:
    """Something that operators may order."""

    command: Command
    carry_out: Callable[..., Awaitable[Answer]]
    """Takes a session, an `Order`, and each given parameter by its name."""
    parameters: tuple[Parameter, ...] = field(default=())
    draws: bool = False
    """True if its answer comes with a chart."""

    @property
    def name(self) -> str:
        """Its name, which is the command's."""
        return self.command.name

    @property
    def usage(self) -> str:
        """The name with its parameters: "grant WHO AMOUNT"."""
        return " ".join((self.name, *(each.shown for each in self.parameters)))

    def read(self, text: str) -> Mapping[str, str]:
        """Return the parameters in a text by their names; NotDone if one is missing or too many."""
        given: dict[str, str] = {}
        rest = text.strip()
        for each in self.parameters:
            value, rest = (rest, "") if each.takes_rest else _next(rest)
            if value:
                given[each.name] = value
            elif not each.is_optional:
                raise NotDone(words.ORDER_USAGE.format(usage=literal(self.usage)))
        if rest:
            raise NotDone(words.ORDER_USAGE.format(usage=literal(self.usage)))
        return given


def _next(text: str) -> tuple[str, str]:
    """Return the first word of a text, or what is in quotation marks there, and the rest."""
    quoted = re.match(r'["“„]([^"“”]*)["“”]\s*', text)
    if quoted:
        return quoted[1].strip(), text[quoted.end() :]
    return first_word(text)


def first_word(text: str) -> tuple[str, str]:
    """Return the first word of a text and the rest, which may begin on another line."""
    first, rest = (*text.split(maxsplit=1), "", "")[:2]
    return first, rest.strip()


def number_in(text: str, most: int = LARGEST) -> int | None:
    """Return the number from 1 to `most` that a text is; None for any other text."""
    if not text.isdecimal() or len(text) > DIGITS:
        return None
    number = int(text)
    return number if 0 < number <= most else None


def literal(text: str, *, most: int = NAMES) -> str:
    """Return a text of a stranger as one line of Markdown that shows it as it is."""
    return _MARKUP.sub(r"\\\1", line(text, most))
