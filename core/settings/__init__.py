"""The settings, read once from the environment (and `.env`) by the entry point and handed down."""

from core.settings._limits import MICRO, Limit, Prices, Unit, Window, parse_limits
from core.settings._settings import DEFAULT_MODEL, DEFAULT_PRICES, Settings, load

__all__ = [
    "DEFAULT_MODEL",
    "DEFAULT_PRICES",
    "MICRO",
    "Limit",
    "Prices",
    "Settings",
    "Unit",
    "Window",
    "load",
    "parse_limits",
]
