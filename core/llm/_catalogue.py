"""The catalogue of an endpoint: which models it offers, which it will withdraw, and their prices.

Asking is free. Services tell it in several shapes, and many tell only a part or nothing.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from core.llm._exchange import Endpoint
from core.llm._page import get

SECONDS = 10.0
LONGEST = 16 * 1024 * 1024
"""The longest catalogue in bytes; that of a large gateway has 1 or 2 MB."""
_TOKENS = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Offer:
    """A model on offer; None stands for everything that the service does not tell."""

    model: str
    aliases: tuple[str, ...] = ()
    images: bool | None = None
    files: bool | None = None
    """Whether the model looks at images, and whether it reads files."""
    context: int | None = None
    """The most tokens of a prompt and its answer together."""
    prices: tuple[Decimal, Decimal, Decimal] | None = None
    """USD per million tokens of input, cached input and output."""

    def is_named(self, model: str) -> bool:
        """Return whether a model's name in the settings means this one."""
        names = (self.model, *self.aliases)
        return model in names or any(_short(name) == _short(model) for name in names)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A model that is withdrawn, or will be."""

    model: str
    aliases: tuple[str, ...]
    is_gone: bool
    on: date | None
    replaced_by: str

    def is_named(self, model: str) -> bool:
        """Return whether a model's name in the settings means this one."""
        return model in (self.model, *self.aliases)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The offers and withdrawals that an endpoint tells; empty if it tells nothing."""

    offers: tuple[Offer, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()

    def offer(self, model: str) -> Offer | None:
        """Return the offer of a model, if there is one."""
        return next((offer for offer in self.offers if offer.is_named(model)), None)

    def withdrawal(self, model: str) -> Withdrawal | None:
        """Return the withdrawal of a model, if there is one."""
        return next((each for each in self.withdrawals if each.is_named(model)), None)

    def complaint(self, model: str) -> str | None:
        """Return a sentence for the operator about a model that is gone, or soon will be."""
        if (told := self.withdrawal(model)) is not None:
            when = "is withdrawn" if told.is_gone else "will be withdrawn"
            on = f" on {told.on:%Y-%m-%d}" if told.on else ""
            instead = f"; set {told.replaced_by} instead" if told.replaced_by else ""
            return f"MODEL: {model} {when}{on}{instead}"
        if self.offers and self.offer(model) is None:
            return f"MODEL: {model} is not among the {len(self.offers)} models on offer"
        return None


async def read(way: httpx.AsyncBaseTransport, endpoint: Endpoint) -> Catalogue:
    """Return the catalogue of an endpoint."""
    listed = await _items(way, endpoint, "/models?include=pricing,modalities,capabilities")
    if not listed:
        listed = await _items(way, endpoint, "/models")
    withdrawn = await _items(way, endpoint, "/models/deprecations")
    return Catalogue(
        tuple(filter(None, map(_offer, listed))),
        tuple(filter(None, map(_withdrawal, withdrawn))),
    )


async def _items(way: httpx.AsyncBaseTransport, endpoint: Endpoint, path: str) -> list[Any]:
    """Return the items of a list; [] if there is none, or none that can be read."""
    try:
        async with asyncio.timeout(SECONDS):
            _, body = await get(way, endpoint, f"{endpoint.url}{path}", most=LONGEST)
        told = await asyncio.to_thread(json.loads, body)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError):
        return []
    items = told.get("data") if isinstance(told, dict) else told
    return items if isinstance(items, list) else []


def _offer(item: object) -> Offer | None:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return None
    info, shape = _object(item.get("info")), _object(item.get("architecture"))
    modalities = _object(item.get("modalities"))
    inputs = _strings(
        shape.get("input_modalities") or modalities.get("input") or item.get("input_modalities")
    )
    lengths = (item.get("context_length"), item.get("max_model_len"), info.get("contextLength"))
    return Offer(
        item["id"],
        _strings(item.get("aliases")),
        "image" in inputs if inputs else None,
        "file" in inputs or "pdf" in inputs if inputs else None,
        next((each for each in lengths if isinstance(each, int) and each > 0), None),
        _prices(_object(item.get("pricing"))),
    )


def _prices(told: Mapping[str, Any]) -> tuple[Decimal, Decimal, Decimal] | None:
    """Return the prices that are told in USD per token, which most gateways do."""
    found = [_decimal(told.get(name)) for name in ("prompt", "input_cache_read", "completion")]
    prompt, cached, completion = found
    if prompt is None or completion is None:
        return None
    cached = prompt if cached is None else cached
    return prompt * _TOKENS, cached * _TOKENS, completion * _TOKENS


def _withdrawal(item: object) -> Withdrawal | None:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return None
    status = item.get("status")
    if status not in ("deprecated", "withdrawn"):
        return None  # a superseded model still answers, as an alias
    replaced_by = item.get("replaced_by")
    return Withdrawal(
        item["id"],
        _strings(item.get("aliases")),
        status == "withdrawn",
        _day(item.get("shutdown_at")),
        replaced_by if isinstance(replaced_by, str) else "",
    )


def _short(model: str) -> str:
    """Return a model's name without its vendor and its default tag."""
    return model.rpartition("/")[2].removesuffix(":latest").lower()


def _day(value: object) -> date | None:
    try:
        return datetime.fromisoformat(str(value)).date()
    except ValueError:
        return None


def _decimal(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number <= 1 else None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
