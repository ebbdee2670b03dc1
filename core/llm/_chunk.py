"""The fields of a chunk as services send them, in many shapes (pure).

Raises ValueError where a field has no shape that anybody could mean.
"""

import json
import math
import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from core.messages import Usage
from core.money import MICRO

TICKS = 10_000
"""The ticks of xAI's costs in a micro-dollar."""
TICKED = "cost_in_usd_ticks"
CREDITS = 2
"""The credits of AI/ML API in a micro-dollar."""
MOST_TOKENS = 1_000_000_000
MOST_DOLLARS = 1_000_000
"""Larger figures are taken for errors and ignored."""

# Not strict: raw control characters in a text do no harm.
_decode = json.JSONDecoder(strict=False).decode
_UNSOUND = re.compile("[\0\ud800-\udfff]")


def cost_of(meta: Mapping[str, Any], usage: Mapping[str, Any]) -> int | None:
    """Return the cost that a service tells in micro-dollars, by whichever field it uses."""
    dollars = (meta.get("usd_spent"), usage.get("cost"))
    told = next((cost for each in dollars if (cost := micro_dollars(each)) is not None), None)
    if told is not None:
        return told
    for figure, share in ((meta.get("credits_used"), CREDITS), (usage.get(TICKED), TICKS)):
        if isinstance(figure, int | float) and 0 <= figure <= MOST_DOLLARS * MICRO * share:
            return math.ceil(figure / share)
    return None


def micro_dollars(value: object) -> int | None:
    """Return micro-dollars, rounded up, from dollars as a number or as text, else None."""
    try:
        dollars = Decimal(str(value))
    except InvalidOperation:
        return None
    if not dollars.is_finite() or not 0 <= dollars <= MOST_DOLLARS:
        return None
    return int((dollars * MICRO).to_integral_value(rounding=ROUND_CEILING))


def usage_of(fields: Mapping[str, Any]) -> Usage | None:
    """Return the usage that a service tells.

    Some leave the tokens of thoughts out of `completion_tokens`; then `total_tokens` decides.
    """
    prompt = _tokens(fields.get("prompt_tokens"))
    completion = _tokens(fields.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = fields_of(fields.get("prompt_tokens_details"))
    places = (details.get("cached_tokens"), fields.get("prompt_cache_hit_tokens"))
    cached = next((tokens for each in places if (tokens := _tokens(each)) is not None), 0)
    total = _tokens(fields.get("total_tokens")) or 0
    return Usage(prompt, max(completion, total - prompt), cached)


def _tokens(value: object) -> int | None:
    if isinstance(value, int | float) and 0 <= value <= MOST_TOKENS:
        return int(value)
    return None


def text_in(content: object) -> str:
    """Return the text of a content, which is a string or a list of parts."""
    if isinstance(content, list):
        parts = [each if isinstance(each, str) else object_of(each).get("text") for each in content]
        return "".join(map(text_of, parts))
    return text_of(content)


def thought_in(content: object) -> str:
    """Return the thoughts in a content that is a list of parts."""
    parts = [fields_of(each) for each in content] if isinstance(content, list) else []
    inner = [each.get("thinking") for each in parts if each.get("type") == "thinking"]
    return "".join(each if isinstance(each, str) else text_in(each) for each in inner)


def mended(text: str) -> str:
    """Remove NUL from a text, join surrogate pairs and replace lone surrogates."""
    if not _UNSOUND.search(text):
        return text
    pairs = text.replace("\0", "").encode("utf-16-le", "surrogatepass")
    return pairs.decode("utf-16-le", "replace")


def parse(data: str) -> object:
    try:
        value: object = _decode(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def fields_of(value: object) -> dict[str, Any]:
    """Return the fields of an object; an empty dict for anything else."""
    return value if isinstance(value, dict) else {}


def object_of(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("no object where one belongs")
    return value


def list_of(value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError("no list where one belongs")
    return value


def text_of(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("no text where one belongs")
    return value
