"""The events of the seam, made safe to store, to show and to hand to the model (pure)."""

from dataclasses import is_dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, get_origin, get_type_hints

from core.adapter import Event
from core.characters import clean

LONGEST_ID = 200
"""The most characters of an id; an index of the database holds several of them."""
LONGEST = {
    "text": 100_000,
    "quote": 10_000,
    "name": 300,
    "quoted_from": 300,
    "media_type": 100,
    "command": 100,
    "unreadable": 100,
    "language": 35,
    # Opaque values of a platform, which no index holds.
    "ticket": 2_000,
    "reference": 2_000,
}
"""The most characters of the texts that are no ids, by field; platforms allow fewer."""
ONE_LINE = frozenset({"name", "quoted_from", "media_type", "language"})
"""The fields without line breaks and tabs."""
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""The limits of a time; with any of these, a difference of some days can be reckoned."""


def cleaned(event: Event) -> Event:
    """Return an event with clean texts of a bounded length, and a time that one can reckon with.

    Raises TypeError for a value of another type than the field's, and ValueError for an id that is
    too long: to cut it would make it another's.
    """
    fresh: Event = _cleaned(event)
    return fresh


def _cleaned(value: Any) -> Any:
    told = {
        name: _field(name, kind, getattr(value, name)) for name, kind in _kinds(value.__class__)
    }
    return replace(value, **told)


@cache
def _kinds(shape: Any) -> list[tuple[str, Any]]:
    """Return the names of a dataclass's fields, and their types as `isinstance` takes them."""
    hints = get_type_hints(shape).items()
    return [(name, tuple if get_origin(hint) is tuple else hint) for name, hint in hints]


def _field(name: str, kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is of the type {type(value).__name__}")
    if isinstance(value, str) and not isinstance(value, StrEnum):
        return _text(name, value)
    if isinstance(value, datetime):
        return min(max(value, EARLIEST), LATEST)
    if isinstance(value, tuple):
        return tuple(
            _text(name, each) if isinstance(each, str) else _cleaned(each) for each in value
        )
    return _cleaned(value) if is_dataclass(value) else value


def _text(name: str, value: str) -> str:
    if name in LONGEST:
        text = clean(value[: LONGEST[name]])
        return " ".join(text.split()) if name in ONE_LINE else text
    if len(value) > LONGEST_ID:
        raise ValueError(f"{name} has {len(value)} characters")
    return clean(value)
