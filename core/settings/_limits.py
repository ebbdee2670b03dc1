"""Limits and prices, and how they are read from settings."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from core.money import MICRO

MOST = 1_000_000_000
"""The largest amount or price; sums of larger ones would not fit the database."""

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


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in USD per million tokens.

    Everything costs double when the prompt has `long_context` tokens or more.
    """

    input: Decimal
    cached: Decimal
    output: Decimal
    long_context: int | None = None

    def cost(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> int:
        """Return the micro-dollars of a call, rounded up so that no cost is lost in a sum."""
        cached = min(cached_tokens, prompt_tokens)
        cost = (
            (prompt_tokens - cached) * self.input
            + cached * self.cached
            + completion_tokens * self.output
        )
        if self.long_context is not None and prompt_tokens >= self.long_context:
            cost *= 2
        return int(cost.to_integral_value(rounding="ROUND_CEILING"))


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


def parse_prices(value: object) -> object:
    """Read `0.20, 0.05, 0.50` as the prices of input, cached input and output."""
    if not isinstance(value, str):
        return value
    try:
        prices = [Decimal(price) for price in re.split(r"[,\s]+", value)]
    except InvalidOperation:
        prices = []
    if len(prices) != 3 or not all(price.is_finite() and 0 <= price <= MOST for price in prices):
        raise ValueError("three prices in USD per million tokens: input, cached input, output")
    return Prices(input=prices[0], cached=prices[1], output=prices[2])
