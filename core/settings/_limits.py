"""Limits, and how they are read from settings."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from core.errors import Unit
from core.money import MICRO

MOST = 1_000_000_000
"""The largest amount; sums of larger ones would not fit the database."""

Window = Literal["minute", "hour", "day", "week", "month"]

_AMOUNT = r"(?P<amount>\d{1,12}(\.\d{1,12})?) ?(?P<scale>k|m|) ?(?P<unit>turns?|tokens?|usd)"
_LIMIT = re.compile(rf"{_AMOUNT} ?/ ?(?P<window>minute|hour|day|week|month)")
_GRANT = re.compile(rf"(?P<sign>[+-]?) ?{_AMOUNT}")
_SCALE = {"": 1, "k": 1000, "m": 1_000_000}
_SHOWN = 40
"""The most characters of a wrong limit in a message."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of turns, tokens or micro-dollars."""

    number: int
    unit: Unit

    def __str__(self) -> str:
        if self.unit == "usd":
            return f"{Decimal(self.number) / MICRO:f} usd"
        return f"{self.number} {self.unit.removesuffix('s') if self.number == 1 else self.unit}"


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may be spent in a window: `amount` in turns, tokens or micro-dollars.

    Windows follow the calendar of `zone`; a week begins on Monday.
    """

    amount: int
    unit: Unit
    window: Window
    zone: tzinfo = UTC

    def __str__(self) -> str:
        return f"{Amount(self.amount, self.unit)}/{self.window}"

    def start(self, now: datetime) -> datetime:
        """Return the beginning of the window around `now`, in UTC."""
        local = now.astimezone(self.zone)
        if self.window in ("minute", "hour"):
            # By the distance from UTC: no hour comes twice when clocks are put back.
            since = timedelta(seconds=local.second, microseconds=local.microsecond)
            if self.window == "hour":
                since += timedelta(minutes=local.minute)
            return now.astimezone(UTC) - since
        day = local.date()
        if self.window == "week":
            day -= timedelta(days=day.weekday())
        elif self.window == "month":
            day = day.replace(day=1)
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def days(self, now: datetime) -> tuple[date, date]:
        """Return the first whole day of the window around `now`, and the day of its end.

        The days are those of `zone`; the last one is no part of the window.
        """
        start, end = (each.astimezone(self.zone) for each in (self.start(now), self.resets_at(now)))
        return (start + timedelta(days=1, microseconds=-1)).date(), end.date()

    def resets_at(self, now: datetime) -> datetime:
        """Return the end of the window around `now`, in UTC."""
        start = self.start(now)
        if self.window == "minute":
            return start + timedelta(minutes=1)
        if self.window == "hour":
            return start + timedelta(hours=1)
        # Days may have 23 to 25 hours: go far enough, and back to the beginning of that window.
        days = {"day": 1, "week": 7, "month": 31}[self.window]
        return self.start(start + timedelta(days=days, hours=12))


def parse_limits(value: object) -> object:
    """Read a text as limits, and leave anything else as it is."""
    return read_limits(value) if isinstance(value, str) else value


def read_limits(text: str) -> tuple[Limit, ...]:
    """Read `10 turns/minute, 1 usd/month` as limits; an empty text means no limit.

    The ValueError for a wrong text tells the place of what is wrong.
    """
    limits: dict[tuple[str, str], Limit] = {}
    at = 1
    for item in text.split(",") if text.strip() else ():
        place = f"at character {at + len(item) - len(item.lstrip())}"
        limit = _parse_limit(item.strip(), place)
        if (limit.unit, limit.window) in limits:
            kind = f"{limit.unit}/{limit.window}"
            raise ValueError(f"{place}: there is a limit in {kind} before this one; keep one")
        limits[limit.unit, limit.window] = limit
        at += len(item) + 1
    return tuple(limits.values())


def _parse_limit(item: str, place: str) -> Limit:
    shown = repr(item if len(item) <= _SHOWN else f"{item[:_SHOWN]}…")
    found = _LIMIT.fullmatch(" ".join(item.lower().split()))
    if not item:
        raise ValueError(f"{place}: a limit is missing; remove the comma")
    if found is None:
        raise ValueError(
            f"{place}: {shown} is not of the form '10 turns/minute', '200k tokens/day' or"
            " '1 usd/month'; write it so, with minute, hour, day, week or month"
        )
    window: Any = found["window"]
    amount = _read_amount(found, f"{place}: {shown}")
    return Limit(amount.number, amount.unit, window)


def read_amount(text: str) -> Amount:
    """Read `2 usd`, `50 turns`, `100k tokens`, or such an amount below zero."""
    tidy = " ".join(text.lower().split())
    found = _GRANT.fullmatch(tidy)
    shown = repr(tidy if len(tidy) <= _SHOWN else f"{tidy[:_SHOWN]}…")
    if found is None:
        raise ValueError(f"{shown} is not of the form '2 usd', '50 turns' or '100k tokens'")
    amount = _read_amount(found, shown)
    return Amount(-amount.number, amount.unit) if found["sign"] == "-" else amount


def _read_amount(found: re.Match[str], shown: str) -> Amount:
    unit: Any = found["unit"] if found["unit"] == "usd" else f"{found['unit'].rstrip('s')}s"
    number = Decimal(found["amount"]) * _SCALE[found["scale"]]
    amount = number * (MICRO if unit == "usd" else 1)
    if amount != int(amount) or not amount:
        raise ValueError(
            f"{shown}: the smallest amounts are 1 turn, 1 token and 0.000001 usd; set whole ones"
        )
    if number > MOST:
        raise ValueError(f"{shown}: too large; set at most {MOST}")
    return Amount(int(amount), unit)


TIER = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""The name of a tier, in small letters."""
DEFAULT = "default"
"""The word for the terms of those who have none of their own."""
UNLIMITED = "unlimited"
"""The terms of those who have no limit but the budget."""


def check_tier(name: str) -> str:
    """Check the name of a tier."""
    if name in (DEFAULT, UNLIMITED):
        raise ValueError(f"{name!r} means something else; choose another name for the tier")
    if not TIER.fullmatch(name):
        raise ValueError(
            "the name of a tier begins with a letter and has only letters, digits and _, at most"
            " 40 of them; choose such a name"
        )
    return name


def parse_zone(value: object) -> object:
    """Read the name of a time zone, such as `Europe/Berlin`."""
    if not isinstance(value, str):
        return value
    if value.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise ValueError(
            f"{value[:_SHOWN]!r} is no time zone; name one as Europe/Berlin or UTC"
        ) from None
