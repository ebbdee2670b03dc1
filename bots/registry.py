"""The registry of platforms: each is a package beside this file and one entry here."""

from bots import console, discord, telegram
from bots.platform import Platform

PLATFORMS: tuple[type[Platform], ...] = (
    telegram.Telegram,
    discord.Discord,
    console.Console,
)
"""In the order in which they are named and started."""
