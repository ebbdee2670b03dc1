"""The registry of platforms. Each platform is a package beside this file, and one entry here."""

from bots import console, discord, telegram
from bots.platform import Platform

PLATFORMS: tuple[type[Platform], ...] = (
    telegram.Telegram,
    discord.Discord,
    console.Console,
)
"""All platforms, in the order in which messages name them."""
