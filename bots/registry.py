"""The platforms there are: each is a package of its own beside this file, and one line here."""

from bots import console, discord, telegram
from bots.platform import Platform

PLATFORMS: tuple[type[Platform], ...] = (
    telegram.Telegram,
    discord.Discord,
    console.Console,
)
"""In the order in which they are named and started."""
