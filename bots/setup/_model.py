"""The questions about the model API: its address, the key, the model and its prices."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from bots.setup._asking import Asker
from bots.terms import listed_prices, model_api
from core.errors import SettingsError
from core.llm import LLM, Catalogue
from core.money import MICRO
from core.settings import DEFAULT_MODEL, Settings

T = TypeVar("T")

INTRODUCTION = (
    "The language model: any OpenAI-compatible API; the default is AI/ML API, whose keys are at"
    " https://aimlapi.com/app/keys."
)
PRICES = (
    "The bot does not know the prices of {models}. Give USD per million tokens of input, cached"
    " input and output: 0.20/0.05/0.50 for all, or model=0.20/0.05/0.50 for each, with commas."
    " none leaves them out; then the bot counts turns, not money."
)
TYPICAL = 1500, 1000, 400
"""The tokens of a typical call: its prompt, the cached part of that, the answer."""


def ask_model(asker: Asker) -> None:
    """Ask for the address, the key and the model, and for prices if none are known."""
    asker.terminal.say(INTRODUCTION)
    address = Settings.model_fields["model_api_url"].default
    asker.obtain("MODEL_API_URL", default=address)
    asker.obtain("MODEL_API_KEY", hidden=True, check=partial(_try_key, asker))
    asker.obtain("MODEL", default=DEFAULT_MODEL, check=partial(_look_up, asker))
    asker.terminal.say()


def _try_key(asker: Asker) -> bool:
    loaded = asker.answers.load()[0]
    try:
        state = asyncio.run(_with_llm(loaded, LLM.account))
    except SettingsError as error:  # a proxy, or certificates
        return asker.goes_on(str(error))
    if state.complaint and "URL" in state.complaint:
        return asker.goes_on(state.complaint)
    if state.complaint:
        asker.terminal.say(f"{state.complaint}.", mark="  Wrong: ")
        return False
    if not state.is_told:
        told = f"{loaded.model_api_url} does not tell whether it accepts the key."
        asker.terminal.say(told, mark="  Not checked: ")
    elif state.balance is None:
        asker.terminal.say("the key is accepted.", mark="  OK: ")
    else:
        left = f"{state.balance / MICRO:,.2f} usd"
        asker.terminal.say(f"the key is accepted; its account has {left}.", mark="  OK: ")
    return True


def _look_up(asker: Asker) -> bool:
    """Look whether the models are on offer, and what they cost."""
    loaded = asker.answers.load()[0]
    try:
        catalogue = asyncio.run(_with_llm(loaded, LLM.look_up))
    except SettingsError as error:
        return asker.goes_on(str(error))
    if not catalogue.offers and not catalogue.withdrawals:
        told = f"{loaded.model_api_url} tells nothing of its models."
        asker.terminal.say(told, mark="  Not checked: ")
    for model in loaded.models:
        if (complaint := catalogue.complaint(model)) is not None:
            asker.terminal.say(f"{complaint}.", mark="  Wrong: ")
            if not asker.terminal.agrees("  Use it all the same?"):
                return False
        elif catalogue.offer(model) is not None:
            asker.terminal.say(f"{model} is on offer.", mark="  OK: ")
    _ask_prices(asker, catalogue)
    _tell_prices(asker)
    return True


def _ask_prices(asker: Asker, catalogue: Catalogue) -> None:
    """Ask for the prices that the settings do not know, and propose those that are told."""
    loaded = asker.answers.load()[0]
    unknown = loaded.prices.unknown(loaded.asked)
    if not unknown:
        return
    asker.terminal.say(PRICES.format(models=", ".join(unknown)))
    asker.obtain("MODEL_PRICES", default=listed_prices(unknown, catalogue), is_optional=True)


def _tell_prices(asker: Asker) -> None:
    """Tell what the models cost, as far as that is known."""
    loaded = asker.answers.load()[0]
    for model in loaded.models:
        if (prices := loaded.prices.of(model)) is not None:
            each = f"{prices.input}/{prices.cached}/{prices.output}"
            typical = prices.cost(*TYPICAL) / MICRO
            asker.terminal.say(
                f"{model}: {each} usd for a million tokens of input/cached/output, about"
                f" {typical:.4f} usd for a usual answer.",
                mark="  ",
            )


async def _with_llm(loaded: Settings, ask: Callable[[LLM], Awaitable[T]]) -> T:
    async with model_api(loaded) as model:
        return await ask(model)
