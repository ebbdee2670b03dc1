"""The checks of the model API: the key, what is left to spend, and the models in use."""

from core.findings import Finding, fault, note, warning
from core.llm import LLM, Catalogue
from core.money import MICRO
from core.plain import line
from core.settings import Settings

LOW = MICRO
"""The micro-dollars below which the credit is nearly used up."""


async def model(llm: LLM, loaded: Settings) -> list[Finding]:
    """Return what is wrong with the key and the models in use."""
    state = await llm.account()
    if state.complaint:
        name = "model.server" if "URL" in state.complaint else "model.key"
        return [fault(name, state.complaint, "see MODEL_API_URL and MODEL_API_KEY")]
    found = []
    if state.balance is not None and state.balance < LOW:
        left = f"{max(state.balance, 0) / MICRO:.2f} usd"
        what = f"the account behind MODEL_API_KEY has {left} left"
        severe = fault if state.balance <= 0 else warning
        found.append(severe("model.balance", what, "top it up; without credit nobody is answered"))
    catalogue = await llm.look_up()
    for name in loaded.asked:
        found += _on_offer(catalogue, name)
        found += _prices(catalogue, loaded, name)
        found += _context(catalogue, loaded, name)
    if not (catalogue.offers or catalogue.withdrawals):
        found.append(note("model.list", f"{loaded.model_api_url} tells nothing of its models"))
    return found


def _on_offer(catalogue: Catalogue, name: str) -> list[Finding]:
    complaint = catalogue.complaint(name)
    if complaint is None:
        return []
    told = catalogue.withdrawal(name)
    remedy = "choose one that `parley models WORD` shows, and set MODEL"
    if told is None:
        return [fault("model.unknown", line(complaint), remedy)]
    severe = fault if told.is_gone else warning
    return [severe("model.retired", line(complaint), remedy)]


def _prices(catalogue: Catalogue, loaded: Settings, name: str) -> list[Finding]:
    """Return a finding if the bot counts by no prices, or by others than the service tells."""
    offer, counted = catalogue.offer(name), loaded.prices.of(name)
    listed = None if offer is None else offer.prices
    told = "/".join(f"{price.normalize():f}" for price in listed or ())
    if counted is None:
        what = f"no prices of {name} are known, so that limits in usd do not count it"
        remedy = "set MODEL_PRICES to USD per million tokens of input, cached input and output"
        return [warning("model.prices", what, f"{remedy}: {name}={told or '0.20/0.05/0.50'}")]
    if listed is None or listed == (counted.input, counted.cached, counted.output):
        return []
    mine = "/".join(
        f"{price.normalize():f}" for price in (counted.input, counted.cached, counted.output)
    )
    what = f"MODEL_PRICES: the bot counts {name} by {mine}, but the list price is {told}"
    return [warning("model.prices", what, f"set MODEL_PRICES to {name}={told}, if you pay that")]


def _context(catalogue: Catalogue, loaded: Settings, name: str) -> list[Finding]:
    """Return a finding if a conversation may grow beyond what a model can read."""
    offer = catalogue.offer(name)
    needed = 2 * loaded.memory_high_tokens
    if offer is None or offer.context is None or offer.context >= needed:
        return []
    what = f"{name} reads {offer.context:,} tokens, but a conversation may have {needed:,}"
    return [
        warning("model.context", what, "lower MEMORY_HIGH_TOKENS to half of that, or change MODEL")
    ]
