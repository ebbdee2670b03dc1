"""The settings. The entry point reads them once from the environment and `.env`."""

from core.settings._checks import LONGEST_PERSONA, RESET
from core.settings._limits import (
    DEFAULT,
    TIER,
    UNLIMITED,
    Amount,
    Limit,
    Window,
    read_amount,
    read_limits,
)
from core.settings._prices import PriceList, Prices
from core.settings._settings import DEFAULT_MODEL, DEFAULT_PRICES, Settings, load

__all__ = [
    "DEFAULT",
    "DEFAULT_MODEL",
    "DEFAULT_PRICES",
    "LONGEST_PERSONA",
    "RESET",
    "TIER",
    "UNLIMITED",
    "Amount",
    "Limit",
    "PriceList",
    "Prices",
    "Settings",
    "Window",
    "load",
    "read_amount",
    "read_limits",
]
