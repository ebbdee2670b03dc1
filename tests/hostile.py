"""Payloads with missing, wrong and hostile fields, from those that the platforms send.

A seed makes the same payloads each time.
"""

import copy
import random
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    7,
    2**31,
    -(2**63),
    2**63,
    2**200,
    0.5,
    1e308,
    float("inf"),
    float("nan"),
    "",
    " ",
    "0",
    "-1",
    "x",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff and \ud83d",
    "\x1b[2J\r\n",
    "e" + "\u0301" * 3_000,
    "9" * 40,
    "x" * 5_000,
    "<@110000000000001201>",
    "../../etc/passwd",
    "2024-11-23T13:41:44.230000+00:00",
    "9999-99-99",
    [],
    [None],
    [[]],
    ["x", 1, {}],
    {},
    {"id": None},
    {"id": "x"},
    {"id": 1},
)
"""Values that no field is ready for, or that only one kind of field is."""


class Spoiler:
    """A source of payloads that differ from sound ones in a few places."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def spoil(self, payload: Json) -> Json:
        """Return a copy of a payload with one to four places spoilt."""
        spoilt = copy.deepcopy(payload)
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            places = list(_places(spoilt))
            if places:
                self._spoil(*self._random.choice(places))
        return spoilt

    def _spoil(self, holder: Any, key: Any) -> None:
        if self._random.random() < 0.25:
            del holder[key]
        elif self._random.random() < 0.1 and isinstance(holder, list):
            holder.extend([holder[key]] * 50)
        else:
            holder[key] = copy.deepcopy(self._random.choice(VALUES))

    def some(self, payloads: list[Any], count: int) -> Iterator[Any]:
        """Yield payloads of a list in any order, again and again."""
        for _ in range(count):
            yield self._random.choice(payloads)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place in a payload, as the object or the list that holds it, and its key."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def is_storable(text: str) -> bool:
    """Return whether both databases take a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def texts(value: Any) -> Iterator[str]:
    """Yield each text in the fields of an event."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from texts(each)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from texts(getattr(value, name))
