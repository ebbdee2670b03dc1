"""The settings as the core takes them: the model API, the offer, the terms, and who may speak."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from bots import transport
from core import access, llm, words
from core.access import Mode
from core.chat import Terms
from core.commands import Offer
from core.memory import Marks
from core.quota import Rules
from core.settings import Limit, Settings
from core.signals import Tell, nobody

log = logging.getLogger("parley")


def endpoint(loaded: Settings) -> llm.Endpoint:
    """Return the model API and how it is asked."""
    return llm.Endpoint(
        url=loaded.model_api_url,
        key=loaded.model_api_key.get_secret_value(),
        model=loaded.model,
        max_completion_tokens=loaded.max_completion_tokens,
        fallbacks=loaded.models[1:],
        offered=loaded.offered_models,
        sees=loaded.vision,
        temperature=loaded.temperature,
        top_p=loaded.top_p,
        first_token_seconds=loaded.first_token_seconds,
        stall_seconds=loaded.stall_seconds,
    )


@asynccontextmanager
async def model_api(loaded: Settings, tell: Tell = nobody) -> AsyncIterator[llm.LLM]:
    """Yield the client of the model API; `tell` hears of its calls.

    Raises SettingsError if the way there is of no use, as a proxy may be.
    """
    async with transport.to(loaded.model_api_url, llm.LIMITS) as way:
        yield llm.LLM(way, endpoint(loaded), tell=tell)


def listed_prices(models: Iterable[str], catalogue: llm.Catalogue) -> str:
    """Return the prices that are told of some models, as MODEL_PRICES has them."""
    offers = {model: catalogue.offer(model) for model in models}
    return ", ".join(
        f"{model}={'/'.join(map(price, offer.prices))}"
        for model, offer in offers.items()
        if offer is not None and offer.prices is not None
    )


def price(amount: Decimal) -> str:
    """Return a price as MODEL_PRICES has it."""
    return f"{amount.normalize():f}"


def access_rules(loaded: Settings) -> access.Rules:
    """Return who may speak to the bot, and where."""
    return access.Rules(
        mode=Mode(loaded.access),
        people=loaded.allowed_people,
        admins=frozenset(loaded.admins),
        groups=loaded.allowed_groups,
        leaves=loaded.leave_other_groups,
    )


def offer(loaded: Settings, rules: Rules) -> Offer:
    """Return everything that people may choose and ask for by commands."""
    return Offer(
        rules=rules,
        model=loaded.model,
        models=loaded.choices,
        fallbacks=loaded.models[1:],
        personas=loaded.personas,
        retention_days=loaded.retention_days,
        language=language_of(loaded.default_language),
        admins=frozenset(loaded.admins),
    )


def terms(loaded: Settings, rules: Rules) -> Terms:
    """Return the terms on which turns are answered."""
    return Terms(
        model=loaded.model,
        system_prompt=loaded.system_prompt,
        max_completion_tokens=loaded.max_completion_tokens,
        prices=loaded.prices,
        rules=rules,
        marks=Marks(loaded.memory_high_tokens, loaded.memory_low_tokens),
        tools=loaded.tools,
        file_bytes=loaded.file_megabytes * 1_000_000,
        models=loaded.choices,
        patience_seconds=loaded.model_patience_seconds,
        fallbacks=loaded.models[1:],
    )


def language_of(wish: str) -> str:
    """Return the code of the default language, which `loading` has checked."""
    return words.nearest(wish)


def tell_limits(loaded: Settings, rules: Rules, gone: Mapping[str, int]) -> None:
    """Log the limits that are in force, and the tiers that are in use but `gone`."""
    told = _told(rules.quota), _told(rules.budget) + _why_none(loaded)
    log.info("the limit of each person (QUOTA): %s; of all together (BUDGET): %s", *told)
    for name, number in gone.items():
        log.warning(
            "there is no tier %r, so its %d people or groups have the default: set QUOTA_%s",
            *(name, number, name.upper()),
        )


def _told(limits: Sequence[Limit]) -> str:
    return ", ".join(map(str, limits)) or "none"


def _why_none(loaded: Settings) -> str:
    """Return the reason for no budget, if nobody has set none."""
    if loaded.budget or loaded.set_budget is not None:
        return ""
    unknown = ", ".join(loaded.prices.unknown(loaded.asked))
    return f", because MODEL_PRICES tells no prices of {unknown}"
