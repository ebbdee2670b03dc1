"""Everything that the bot itself says to people, in the language of the person it speaks to.

Each sentence of the catalogue is an attribute: `words.STOPPED` is a text in the language that is
spoken at this moment, and `words.LEFT.format(…)` the same with values. So nothing of it may be kept
from the time of an import. `spoken_in` sets the language for everything inside it.
"""

from typing import TYPE_CHECKING

from core.words import _sentences
from core.words._language import (
    ENGLISH,
    FROM_RIGHT,
    language,
    languages,
    nearest,
    say,
    spoken_in,
)
from core.words._numbers import listed, moment, number, percent, price, until
from core.words._plural import Plural
from core.words._said import (
    AND,
    account,
    amount,
    below,
    confirms,
    dollars,
    ended,
    hello,
    hint,
    limit,
    list_commands,
    list_languages,
    list_models,
    named,
    note,
    own_name,
    privacy,
    refused,
    shortened,
    summary,
    unreadable,
    unseen,
    waiting,
    with_reference,
)

if TYPE_CHECKING:
    from core.words._sentences import *  # noqa: F403 - all that `__getattr__` gives
else:

    def __getattr__(name: str) -> object:
        """Return a sentence in the current language."""
        try:
            found = getattr(_sentences, name)
        except AttributeError:
            raise AttributeError(f"no sentence {name} in core.words") from None
        return say(found) if isinstance(found, str) else found


__all__ = [
    "AND",
    "ENGLISH",
    "FROM_RIGHT",
    "Plural",
    "account",
    "amount",
    "below",
    "confirms",
    "dollars",
    "ended",
    "hello",
    "hint",
    "language",
    "languages",
    "limit",
    "list_commands",
    "list_languages",
    "list_models",
    "listed",
    "moment",
    "named",
    "nearest",
    "note",
    "number",
    "own_name",
    "percent",
    "price",
    "privacy",
    "refused",
    "say",
    "shortened",
    "spoken_in",
    "summary",
    "unreadable",
    "unseen",
    "until",
    "waiting",
    "with_reference",
]
