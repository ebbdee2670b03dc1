"""The settings. The entry point reads them once from the environment and `.env`."""

from core.settings._checks import LONGEST_PERSONA, RESET
from core.settings._limits import Limit, Unit, Window, read_limits
from core.settings._prices import PriceList, Prices
from core.settings._settings import DEFAULT_MODEL, DEFAULT_PRICES, Settings, load

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_PRICES",
    "LONGEST_PERSONA",
    "RESET",
    "Limit",
    "PriceList",
    "Prices",
    "Settings",
    "Unit",
    "Window",
    "load",
    "read_limits",
]
