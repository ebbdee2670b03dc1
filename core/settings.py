"""The settings, read once from the environment (and `.env`) by the entry point and handed down."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import SettingsError

DEFAULT_MODEL = "x-ai/grok-4-fast-non-reasoning"
MICRO = 1_000_000
"""Micro-dollars in a dollar; money is never a float."""

Unit = Literal["turns", "usd"]
Window = Literal["minute", "hour", "day", "month"]

_LIMIT = re.compile(
    r"(?P<amount>\d+(\.\d+)?) (?P<unit>turns?|usd)/(?P<window>minute|hour|day|month)"
)


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be spent in a window: `amount` in turns or in micro-dollars."""

    amount: int
    unit: Unit
    window: Window

    def __str__(self) -> str:
        amount = f"{Decimal(self.amount) / MICRO:f}" if self.unit == "usd" else str(self.amount)
        return f"{amount} {self.unit}/{self.window}"

    def start(self, now: datetime) -> datetime:
        """When the window that holds `now` began; windows follow the calendar in UTC."""
        return _WINDOW_START[self.window](now.astimezone(UTC).replace(second=0, microsecond=0))

    def resets_at(self, now: datetime) -> datetime:
        """When the window that holds `now` ends."""
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
    """USD per million tokens; above `long_context` tokens of prompt everything costs double."""

    input: Decimal
    cached: Decimal
    output: Decimal
    long_context: int | None = None

    def cost(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> int:
        """Micro-dollars of a call, rounded up so that a sum of calls never hides a cost."""
        cached = min(cached_tokens, prompt_tokens)
        cost = (
            (prompt_tokens - cached) * self.input
            + cached * self.cached
            + completion_tokens * self.output
        )
        if self.long_context is not None and prompt_tokens > self.long_context:
            cost *= 2
        return int(cost.to_integral_value(rounding="ROUND_CEILING"))


DEFAULT_PRICES = Prices(Decimal("0.20"), Decimal("0.05"), Decimal("0.50"), long_context=128_000)
"""xAI's list price of the default model."""


def parse_limits(value: object) -> object:
    """`10 turns/minute, 1 usd/month` as limits; an empty text is no limit at all."""
    if not isinstance(value, str):
        return value
    return tuple(_parse_limit(item.strip()) for item in value.split(",") if item.strip())


def _parse_limit(item: str) -> Limit:
    found = _LIMIT.fullmatch(item.lower())
    if found is None:
        raise ValueError(f"{item!r} is not of the form '10 turns/minute' or '1 usd/month'")
    unit: Unit = "usd" if found["unit"] == "usd" else "turns"
    amount = Decimal(found["amount"]) * (MICRO if unit == "usd" else 1)
    if amount != int(amount):
        raise ValueError(f"{item!r}: the smallest amounts are 1 turn and 0.000001 usd")
    window: Any = found["window"]
    return Limit(int(amount), unit, window)


def parse_prices(value: object) -> object:
    """`0.20, 0.05, 0.50` as the prices of input, cached input and output."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        prices = [Decimal(price) for price in re.split(r"[,\s]+", value.strip())]
    except InvalidOperation:
        prices = []
    if len(prices) != 3 or any(not price.is_finite() or price < 0 for price in prices):
        raise ValueError("three prices in USD per million: input, cached input, output")
    return Prices(input=prices[0], cached=prices[1], output=prices[2])


Limits = Annotated[tuple[Limit, ...], BeforeValidator(parse_limits)]


class Settings(BaseSettings):
    """What an operator can set. Every field is an environment variable of the same name."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=False, extra="ignore", frozen=True, enable_decoding=False
    )

    database_url: str = "sqlite+aiosqlite:///parley.db"
    database_connections: int = Field(default=5, ge=1)

    model_api_key: SecretStr = SecretStr("")
    model_api_url: str = "https://api.aimlapi.com/v1"
    model: str = Field(default=DEFAULT_MODEL, min_length=1)
    model_prices: Annotated[Prices | None, BeforeValidator(parse_prices)] = None
    max_completion_tokens: int = Field(default=8192, ge=1)
    system_prompt: str = (
        "You are Parley, a friendly and knowledgeable assistant in a chat. Answer in the language"
        " of the person, clearly and to the point. Use Markdown where it helps."
    )

    telegram_token: SecretStr = SecretStr("")
    telegram_api_url: str = "https://api.telegram.org"
    discord_token: SecretStr = SecretStr("")
    discord_api_url: str = "https://discord.com/api/v10"

    quota: Limits = parse_limits("10 turns/minute, 200 turns/day, 1 usd/month")  # type: ignore[assignment]  # the parser is typed for any input
    budget: Limits = ()

    memory_high_tokens: int = Field(default=12_000, ge=1, le=2_000_000)
    memory_low_tokens: int = Field(default=4_000, ge=0, le=2_000_000)

    concurrency: int = Field(default=1000, ge=1)
    lease_seconds: float = Field(default=15, ge=5)
    drain_seconds: float = Field(default=20, ge=0)
    first_token_seconds: float = Field(default=60, gt=0)
    stall_seconds: float = Field(default=30, gt=0)

    @property
    def prices(self) -> Prices | None:
        """What a token costs; known without being set for the default model."""
        if self.model_prices is None and self.model == DEFAULT_MODEL:
            return DEFAULT_PRICES
        return self.model_prices

    @model_validator(mode="after")
    def _money_needs_prices(self) -> Self:
        if self.prices is None and any(
            limit.unit == "usd" for limit in (*self.quota, *self.budget)
        ):
            raise ValueError(
                f"MODEL_PRICES: QUOTA or BUDGET has a limit in usd, but no prices are known for"
                f" {self.model}; set MODEL_PRICES to its USD per million tokens:"
                " input, cached input, output"
            )
        return self

    @model_validator(mode="after")
    def _marks_in_order(self) -> Self:
        if self.memory_low_tokens >= self.memory_high_tokens:
            raise ValueError("MEMORY_LOW_TOKENS: must be below MEMORY_HIGH_TOKENS")
        return self


def load(**values: object) -> Settings:
    """Settings from the environment, with `values` on top; SettingsError names what is wrong."""
    try:
        return Settings(**values)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(dict(found)) for found in error.errors())) from None


def _sentence(found: Mapping[str, Any]) -> str:
    name = "_".join(str(part) for part in found["loc"][:1]).upper()
    message = str(found["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
