"""The operator's look at the catalogue of models: `python -m bots models [NAME ...]`."""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bots.terms import listed_prices, model_api, price
from core.errors import SettingsError
from core.llm import Catalogue, Offer
from core.plain import visible
from core.settings import Settings, load

NOTHING_TOLD = "{url} tells nothing of its models.\n"
TO_PASTE = (
    "\nThese are list prices; MODEL_PRICES in .env makes the bot count by them:\n\n"
    'MODEL_PRICES="{prices}"\n'
)


def main(arguments: Sequence[str]) -> int:
    """Show what the endpoint tells of the models in use, or of others; return the exit status."""
    parser = ArgumentParser(
        prog="parley models",
        description="Show what the model API tells of models: prices, context, retirement.",
    )
    help_ = "the name of a model, or a part of it; none named: those of MODEL and MODELS"
    parser.add_argument("names", metavar="NAME", nargs="*", help=help_)
    names = parser.parse_args(arguments).names
    try:
        loaded = load()
        catalogue = asyncio.run(_look_up(loaded))
    except SettingsError as error:
        sys.stderr.write(f"{visible(str(error))}\n")
        return 2
    if not (catalogue.offers or catalogue.withdrawals):
        sys.stderr.write(NOTHING_TOLD.format(url=visible(loaded.model_api_url)))
        return 1
    found = _found(catalogue, names) if names else list(loaded.asked)
    for model in found:
        if complaint := catalogue.complaint(model):
            sys.stdout.write(f"{visible(complaint)}\n")
    offers = [offer for model in found if (offer := catalogue.offer(model)) is not None]
    Console().print(_table(offers))
    if prices := listed_prices(found, catalogue):
        sys.stdout.write(TO_PASTE.format(prices=visible(prices)))
    return 0


async def _look_up(loaded: Settings) -> Catalogue:
    async with model_api(loaded) as model:
        return await model.look_up()


def _found(catalogue: Catalogue, names: Sequence[str]) -> list[str]:
    """Return the models on offer whose names contain one of some names."""
    return [
        offer.model
        for offer in catalogue.offers
        if any(name.lower() in offer.model.lower() for name in names)
    ]


def _table(offers: Sequence[Offer]) -> Table:
    table = Table("model", "images", "context", "input", "cached", "output")
    table.columns[0].overflow = "fold"  # half a name is of no use
    for column in table.columns[2:]:
        column.justify = "right"
    for offer in offers:
        images = {True: "yes", False: "no", None: "?"}[offer.images]
        context = "?" if offer.context is None else f"{offer.context:,}"
        prices = ("?", "?", "?") if offer.prices is None else tuple(map(price, offer.prices))
        table.add_row(visible(offer.model), images, context, *prices)
    return table
