"""Limits, and how they are read from settings."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from core.money import MICRO

MOST = 1_000_000_000
"""The largest amount; sums of larger ones would not fit the database."""

Unit = Literal["turns", "usd"]
Window = Literal["minute", "hour", "day", "month"]

_LIMIT = re.compile(
    r"(?P<amount>\d+(\.\d+)?) (?P<unit>turns?|usd)/(?P<window>minute|hour|day|month)"
)


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may be spent in a window: `amount` in turns or in micro-dollars."""

    amount: int
    unit: Unit
    window: Window

    def __str__(self) -> str:
        if self.unit == "usd":
            return f"{Decimal(self.amount) / MICRO:f} usd/{self.window}"
        return f"{self.amount} {'turn' if self.amount == 1 else 'turns'}/{self.window}"

    def start(self, now: datetime) -> datetime:
        """Return the beginning of the window around `now`; windows follow the calendar in UTC."""
        return _WINDOW_START[self.window](now.astimezone(UTC).replace(second=0, microsecond=0))

    def resets_at(self, now: datetime) -> datetime:
        """Return the end of the window around `now`."""
        return self.start(self.start(now) + _LONGEST[self.window])


_WINDOW_START: Mapping[Window, Callable[[datetime], datetime]] = {
    "minute": lambda minute: minute,
    "hour": lambda minute: minute.replace(minute=0),
    "day": lambda minute: minute.replace(minute=0, hour=0),
    "month": lambda minute: minute.replace(minute=0, hour=0, day=1),
}
_LONGEST: Mapping[Window, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "month": timedelta(days=31),
}


def parse_limits(value: object) -> object:
    """Read `10 turns/minute, 1 usd/month` as limits; an empty text means no limit."""
    if not isinstance(value, str):
        return value
    limits = tuple(_parse_limit(item.strip()) for item in value.split(",") if item.strip())
    for (unit, window), count in Counter((limit.unit, limit.window) for limit in limits).items():
        if count > 1:
            raise ValueError(f"more than one limit in {unit}/{window}; keep one")
    return limits


def _parse_limit(item: str) -> Limit:
    found = _LIMIT.fullmatch(item.lower())
    if found is None:
        raise ValueError(f"{item!r} is not of the form '10 turns/minute' or '1 usd/month'")
    unit: Unit = "usd" if found["unit"] == "usd" else "turns"
    number = Decimal(found["amount"])
    amount = number * (MICRO if unit == "usd" else 1)
    if amount != int(amount) or not amount:
        raise ValueError(f"{item!r}: the smallest amounts are 1 turn and 0.000001 usd")
    if number > MOST:
        raise ValueError(f"{item!r}: the largest amount is {MOST}")
    window: Any = found["window"]
    return Limit(int(amount), unit, window)
