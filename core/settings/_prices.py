"""Prices of models, and how they are read from settings."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

MOST = 1_000_000_000
"""The largest price; sums of larger ones would not fit the database."""


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


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of each model."""

    of_models: Mapping[str, Prices] = field(default_factory=dict)
    of_others: Prices | None = None
    """The prices of all models that are not named; None if they are not known."""

    def of(self, model: str) -> Prices | None:
        """Return the prices of a model, or None if they are not known."""
        return self.of_models.get(model, self.of_others)

    def unknown(self, models: Collection[str]) -> list[str]:
        """Return the models without known prices, in alphabetical order."""
        return sorted(model for model in models if self.of(model) is None)

    def cost(
        self, model: str, prompt_tokens: int, cached_tokens: int, completion_tokens: int
    ) -> int:
        """Return the micro-dollars of a call, 0 for a model without known prices."""
        prices = self.of(model)
        return prices.cost(prompt_tokens, cached_tokens, completion_tokens) if prices else 0


def parse_prices(value: object) -> object:
    """Read `0.20, 0.05, 0.50` as the prices of all models, or `a=0.20/0.05/0.50, b=…` of each."""
    if not isinstance(value, str):
        return value
    if "=" not in value:
        return PriceList(of_others=_parse(value))
    named: dict[str, Prices] = {}
    for item in filter(None, map(str.strip, value.split(","))):
        model, _, prices = item.rpartition("=")
        model = model.strip()
        if not model or model in named:
            raise ValueError(f"{item!r}: write every model once, as model=0.20/0.05/0.50")
        named[model] = _parse(prices)
    return PriceList(named)


def _parse(value: str) -> Prices:
    try:
        prices = [Decimal(price) for price in re.split(r"[,/\s]+", value.strip())]
    except InvalidOperation:
        prices = []
    if len(prices) != 3 or not all(price.is_finite() and 0 <= price <= MOST for price in prices):
        raise ValueError("write three prices, USD per million tokens: input, cached input, output")
    return Prices(input=prices[0], cached=prices[1], output=prices[2])
